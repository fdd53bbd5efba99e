//go:build race

package harness

// raceDetector: a test binary that looks for races runs a program that does.
const raceDetector = true
