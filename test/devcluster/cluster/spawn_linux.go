package cluster

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// spawner starts processes that die with this one. The kernel's parent death signal
// is sent at the end of the thread that forked, not of the process, and Go ends threads
// as it likes; so one goroutine keeps one thread to itself and forks everything there.
type spawner struct {
	work     chan func()
	isolated bool // in a PID namespace
	derived  bool // what starts now dies with what has been started first
}

// newSpawner makes a spawner. An isolated one's processes are in namespaces of their own;
// see isolate.
func newSpawner(isolated bool) (*spawner, error) {
	s := &spawner{work: make(chan func()), isolated: isolated}
	entered := make(chan error)
	onOwnThread(func() {
		var err error
		if isolated {
			tryProcesses()
			err = isolate()
		}
		entered <- err
		for f := range s.work {
			f()
		}
	})
	if err := <-entered; err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// start is cmd.Start for a process in a group of its own: an interrupt from the
// terminal goes to us alone, who stop the others in order.
//
// In a PID namespace the first process takes the others with it. They cannot have a
// parent death signal: Go looks whether the parent has died already (getppid), sees none
// from inside the namespace, and kills them. The first one is immune to that.
func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error)
	s.work <- func() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if !s.derived {
			cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
		}
		err := cmd.Start()
		s.derived = s.derived || s.isolated && err == nil
		result <- err
	}
	return <-result
}

// end lets go of the thread; what is still running from it is killed.
func (s *spawner) end() { close(s.work) }

// tryProcesses lets package os find out what the kernel can do for processes. Where nothing has
// been started yet, it starts one that ends at once. The first process of a PID namespace must
// not be that one: nothing could be started after it.
func tryProcesses() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
}

// onOwnThread runs f on a thread that does nothing else, and ends with it. This is never the
// process's first thread, which does not end before the process does: it would keep the
// namespaces that f enters, and what /proc says of the process would be said of those.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() != os.Getpid() {
			f()
			return // locked still, so that the thread ends with this goroutine
		}
		begun := make(chan struct{})
		onOwnThread(func() { close(begun); f() })
		<-begun // the other one has a thread, and it is not this one
		runtime.UnlockOSThread()
	}()
}
