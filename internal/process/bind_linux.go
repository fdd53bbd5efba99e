package process

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind makes a command get SIGTERM when the thread that starts it ends.
func bind(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }

// hasEnded reports whether a child has ended. It takes nothing away from who waits for it.
func hasEnded(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return errors.Is(err, unix.ECHILD) || info.Signo != 0
}
