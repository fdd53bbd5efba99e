//go:build unix

package cli

import (
	"os"
	"syscall"
)

// terminalStops returns the signals by which a terminal stops a process.
func terminalStops() []os.Signal {
	return []os.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU}
}
