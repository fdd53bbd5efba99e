package quiesce

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killGrace is how long a command that was told to end by SIGTERM has until SIGKILL.
	// Together with the giving back of a trigger it must fit into a pod's 30 s.
	killGrace = 5 * time.Second

	// lastGrace is how long the end of a process may take after SIGKILL. One that waits in
	// the kernel, for a file system that it has frozen itself, ends only when that thaws.
	lastGrace = 2 * time.Second
)

// process is a command that has been started. It leads a process group of its own.
type process struct {
	pid  int
	over chan struct{} // closed when it has ended
	code int           // then: how, as a shell has it
}

func (c Command) start() (*process, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Env, c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p, started := &process{over: make(chan struct{})}, make(chan error)
	go func() {
		if c.Bound {
			// The kernel means the thread that started it (prctl(2), PR_SET_PDEATHSIG): that
			// has to be there until the end.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
		}
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // what it says is in ProcessState
		p.code = codeOf(cmd.ProcessState)
		close(p.over)
	}()
	return p, <-started
}

// signal sends a signal to the whole group, or to nobody if it has just ended.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.pid, s) }

func (p *process) isOver() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// hasEnded asks the kernel, without waiting: nobody may have been told yet.
func (p *process) hasEnded() bool {
	if p.isOver() {
		return true
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return errors.Is(err, unix.ECHILD) || info.Signo != 0
}

// end asks the command, and all that it has started in its group, to end, after killGrace
// makes them, and waits for that. It is false if the command cannot be ended.
func (p *process) end() bool {
	p.signal(syscall.SIGTERM)
	grace, last, tick := time.After(killGrace), time.After(killGrace+lastGrace), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		// The number is not given to another one while the group is there.
		if p.isOver() && syscall.Kill(-p.pid, 0) != nil {
			return true
		}
		select {
		case <-grace:
			p.signal(syscall.SIGKILL)
		case <-last:
			return p.isOver()
		case <-tick.C:
		}
	}
}
