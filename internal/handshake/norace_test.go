//go:build !race

package handshake

const underRace = false
