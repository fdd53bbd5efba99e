package process

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	// killGrace is how long a command that was told to end by SIGTERM has until SIGKILL.
	// Together with the giving back of a trigger it must fit into a pod's 30 s.
	killGrace = 5 * time.Second

	// lastGrace is how long the end of a process may take after SIGKILL. One that waits in
	// the kernel, for a file system that it has frozen itself, ends only when that thaws.
	lastGrace = 2 * time.Second
)

// Process is a command that has been started. It leads a process group of its own.
type Process struct {
	pid  int
	over chan struct{} // closed when it has ended
	code int           // then: how, as a shell has it
}

// Start starts the command. Where this operating system cannot control it as it has to be, the
// error is that of [Can].
func (c Command) Start() (*Process, error) { return c.start(&outputs{}) }

func (c Command) start(out *outputs) (*Process, error) {
	if err := Can(c.Bound); err != nil {
		return nil, err
	}
	path, err := LookPath(c.Args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	if err := out.give(cmd, c.Stdout, c.Stderr); err != nil {
		return nil, err
	}
	cmd.Env, cmd.Stdin = c.Env, c.Stdin
	cmd.SysProcAttr = ownGroup()
	p, started := &Process{over: make(chan struct{})}, make(chan error)
	go func() {
		if c.Bound {
			// The kernel means the thread that started it (prctl(2), PR_SET_PDEATHSIG): that
			// has to be there until the end.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			bind(cmd.SysProcAttr)
		}
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		if err != nil {
			out.close()
			started <- err
			return
		}
		out.started()
		started <- nil
		_ = cmd.Wait() // what it says is in ProcessState
		out.drain()
		p.code = codeOf(cmd.ProcessState)
		close(p.over)
	}()
	return p, <-started
}

// Attach is a process that was started elsewhere, and leads its process group. It is never known
// to be over: whoever has started it waits for it.
func Attach(pid int) *Process { return &Process{pid: pid, over: make(chan struct{})} }

// Over is closed when the process has ended.
func (p *Process) Over() <-chan struct{} { return p.over }

// Code is the exit code of a process that is over, as a shell has it.
func (p *Process) Code() int { return p.code }

// signal sends a signal to the whole group, or to nobody if it has just ended.
func (p *Process) signal(s syscall.Signal) { _ = signalGroup(p.pid, s) }

// IsOver reports whether the end of the process is known.
func (p *Process) IsOver() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// HasEnded reports whether the process has ended. It asks the kernel, without waiting: nobody
// may have been told yet.
func (p *Process) HasEnded() bool {
	return p.IsOver() || hasEnded(p.pid)
}

// End asks the command, and all that it has started in its group, to end, makes them after
// killGrace, and waits for that. It reports false if the command cannot be ended.
func (p *Process) End() bool {
	p.signal(syscall.SIGTERM)
	grace, last, tick := time.After(killGrace), time.After(killGrace+lastGrace), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		// The number is not given to another one while the group is there.
		if p.IsOver() && !groupLives(p.pid) {
			return true
		}
		select {
		case <-grace:
			p.signal(syscall.SIGKILL)
		case <-last:
			return p.IsOver()
		case <-tick.C:
		}
	}
}
