package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// spec is what a component is: how to start it and how to know that it serves.
type spec struct {
	name    string
	program string // path of the binary
	args    []string
	env     []string
	address string // for people to read
	// ready is nil once the component does its work.
	ready func(context.Context) error
	// needs names the component without which this one ends by itself.
	needs string
}

// process is one run of a component.
type process struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // why it ended; read after ended
	wanted bool  // we ended it; guarded by the supervisor
	paused bool  // guarded by the supervisor
}

func (s *supervisor) spawn(spec spec) (*process, error) {
	log, err := os.OpenFile(s.logFile(spec.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.name, err)
	}
	defer log.Close()
	cmd := exec.Command(spec.program, spec.args...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	// Nothing else of our environment: no proxy, no KUBECONFIG of another cluster.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, spec.env...)
	if err := s.spawner.start(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.name, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
		s.ended(spec, p)
	}()
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal goes to the whole group; to have ended already is no error.
func (p *process) signal(sig syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func (s *supervisor) logFile(name string) string {
	return filepath.Join(s.dir, "log", name+".log")
}
