package cluster

import (
	"context"
	"fmt"
	"time"
)

// Status is one component as it is now.
type Status struct {
	Name    string `json:"name"`
	Pid     int    `json:"pid"` // 0 if it does not run
	Address string `json:"address"`
	State   string `json:"state"`
}

// States of a component.
const (
	Ready    = "ready"
	NotReady = "not ready"
	Paused   = "paused"
	Ended    = "ended"
)

// list asks every component how it is.
func (s *supervisor) list(ctx context.Context) ([]Status, error) {
	var all []Status
	for _, spec := range s.snapshot() {
		s.mu.Lock()
		p := s.running[spec.name]
		status := Status{Name: spec.name, Address: spec.address, Pid: p.cmd.Process.Pid}
		paused := p.paused
		s.mu.Unlock()
		switch {
		case !p.running():
			status.Pid, status.State = 0, Ended
		case paused:
			status.State = Paused
		case spec.check(ctx) != nil:
			status.State = NotReady
		default:
			status.State = Ready
		}
		all = append(all, status)
	}
	return all, nil
}

func (s *supervisor) snapshot() []spec {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]spec(nil), s.specs...)
}

func (s spec) check(ctx context.Context) error {
	if s.ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.ready(ctx)
}

// await returns when the component is ready, or has ended.
func (s *supervisor) await(ctx context.Context, name string) error {
	s.mu.Lock()
	p := s.running[name]
	var spec spec
	for _, known := range s.specs {
		if known.name == name {
			spec = known
		}
	}
	s.mu.Unlock()
	for {
		err := spec.check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("waiting for %s: it ended: %s; its last lines:\n%s",
				name, endOf(p.err), tail(s.logFile(name), 15))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", name, ctx.Err(), err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}
