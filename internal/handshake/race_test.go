//go:build race

package handshake

// underRace reports whether the race detector is on. The search has one goroutine, and takes ten
// times as long with it.
const underRace = true
