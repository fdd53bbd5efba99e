package cluster

import (
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

// together runs all and returns the first error, once all have ended.
func together(work ...func() error) error {
	errs := make(chan error, len(work))
	for _, f := range work {
		go func() { errs <- f() }()
	}
	var first error
	for range work {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}
