package process

import (
	"fmt"
	"runtime"
)

// Can returns why this operating system cannot run a command of the user's, or nil. A command
// that is bound has to end when this process is killed: only Linux promises that.
func Can(bound bool) error { return can(runtime.GOOS, bound) }

func can(system string, bound bool) error {
	switch {
	case system == "linux" || system != "windows" && !bound:
		return nil
	case system == "windows":
		return fmt.Errorf("on %s a command cannot be ended together with all that it has started", system)
	}
	return fmt.Errorf("on %s a command does not end when copytrigger is killed: it could quiesce the application "+
		"with nobody to unquiesce it", system)
}
