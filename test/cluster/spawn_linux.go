package cluster

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawner starts processes that die with this one. The kernel's parent death signal
// is sent at the end of the thread that forked, not of the process, and Go ends threads
// as it likes; so one goroutine keeps one thread to itself and forks everything there.
type spawner struct {
	work chan func()
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		// Never unlocked: the thread ends with this goroutine.
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

// start is cmd.Start for a process in a group of its own: an interrupt from the
// terminal goes to us alone, who stop the others in order.
func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	s.work <- func() { result <- cmd.Start() }
	return <-result
}

// end lets go of the thread; what is still running from it is killed.
func (s *spawner) end() { close(s.work) }
