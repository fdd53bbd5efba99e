package cluster

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// stages tells of each stage when it was reached.
type stages struct {
	mu    sync.Mutex
	out   io.Writer
	begun time.Time
}

func newStages(out io.Writer) *stages { return &stages{out: out, begun: time.Now()} }

func (s *stages) done(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%6.2fs  %s ready\n", time.Since(s.begun).Seconds(), what)
}

// together runs all and returns the first error, once all have ended. With that error their
// context ends, so that none waits for what is not to come.
func together(ctx context.Context, work ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(work))
	for _, f := range work {
		go func() { errs <- f(ctx) }()
	}
	var first error
	for range work {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}
