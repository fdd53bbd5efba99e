package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
)

// supervisor runs the components. It starts nothing again by itself: a component that
// ends unasked is the end of the cluster, and is said to be.
type supervisor struct {
	dir     string
	spawner *spawner
	failed  chan struct{} // closed at the first unasked end

	mu       sync.Mutex
	failure  error // why failed is closed
	stopping bool
	specs    []spec // in the order of the first start
	running  map[string]*process
}

// newSupervisor makes a supervisor. If isolated, its processes are in namespaces of their
// own, and the first of them must stay.
func newSupervisor(dir string, isolated bool) (*supervisor, error) {
	spawner, err := newSpawner(isolated)
	if err != nil {
		return nil, err
	}
	return &supervisor{dir: dir, spawner: spawner, failed: make(chan struct{}), running: map[string]*process{}}, nil
}

// add starts a component for the first time, without waiting for it to be ready.
func (s *supervisor) add(spec spec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return fmt.Errorf("starting %s: the cluster is being stopped", spec.name)
	}
	p, err := s.spawn(spec)
	if err != nil {
		return err
	}
	s.specs = append(s.specs, spec)
	s.running[spec.name] = p
	return nil
}

// start starts a component that was ended, and those that were ended because of it.
func (s *supervisor) start(ctx context.Context, name string) error {
	begun, err := s.respawn(name)
	if err != nil {
		return err
	}
	for _, spec := range begun {
		if err := s.await(ctx, spec.name); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) respawn(name string) ([]spec, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, fmt.Errorf("starting %s: the cluster is being stopped", name)
	}
	if p := s.running[name]; p == nil || p.running() {
		return nil, fmt.Errorf("starting %s: it is running, or unknown", name)
	}
	var begun []spec
	for _, spec := range s.with(name) {
		if s.running[spec.name].running() {
			continue
		}
		p, err := s.spawn(spec)
		if err != nil {
			return begun, err
		}
		s.running[spec.name] = p
		begun = append(begun, spec)
	}
	return begun, nil
}

// end ends a component and those that cannot be without it, and waits for that.
func (s *supervisor) end(ctx context.Context, name string, sig syscall.Signal) error {
	s.mu.Lock()
	var ending []*process
	specs := s.with(name)
	for _, spec := range slices.Backward(specs) {
		p := s.running[spec.name]
		p.wanted = true
		ending = append(ending, p)
		if err := p.signal(sig); err != nil {
			s.mu.Unlock()
			return fmt.Errorf("ending %s: %w", spec.name, err)
		}
	}
	s.mu.Unlock()
	if len(specs) == 0 {
		return fmt.Errorf("ending %s: no such component", name)
	}
	for _, p := range ending {
		select {
		case <-p.ended:
		case <-ctx.Done():
			return fmt.Errorf("ending %s: %w", name, ctx.Err())
		}
	}
	return nil
}

// pause stops a component in its tracks, or lets it go on.
func (s *supervisor) pause(name string, paused bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.running[name]
	if p == nil || !p.running() {
		return fmt.Errorf("pausing or resuming %s: it does not run", name)
	}
	sig := syscall.SIGCONT
	if paused {
		sig = syscall.SIGSTOP
	}
	if err := p.signal(sig); err != nil {
		return fmt.Errorf("pausing or resuming %s: %w", name, err)
	}
	p.paused = paused
	return nil
}

// with is the component and those that need it, in the order of starting.
func (s *supervisor) with(name string) []spec {
	var found []spec
	for _, spec := range s.specs {
		if spec.name == name || spec.needs == name {
			found = append(found, spec)
		}
	}
	return found
}

// ended is told of every process that ended.
func (s *supervisor) ended(spec spec, p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.wanted || s.stopping || s.failure != nil {
		return
	}
	s.failure = fmt.Errorf("%s ended by itself: %s; its last lines:\n%s",
		spec.name, endOf(p.err), tail(s.logFile(spec.name), 15))
	close(s.failed)
}

// why is the first unasked end, after failed.
func (s *supervisor) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// stop ends everything. Nothing is saved, so nobody needs to be asked.
func (s *supervisor) stop() {
	s.mu.Lock()
	s.stopping = true
	var ending []*process
	for _, p := range s.running {
		ending = append(ending, p)
		// A group that cannot be signalled is dealt with by the spawner's end.
		_ = p.signal(syscall.SIGKILL)
	}
	s.mu.Unlock()
	for _, p := range ending {
		<-p.ended
	}
	s.spawner.end()
}
