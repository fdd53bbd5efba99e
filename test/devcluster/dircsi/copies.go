package main

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// copies runs each copy once, in the background, by where it goes to. A caller whose
// patience ends finds the same copy going on when it asks again, as CSI wants it.
type copies struct {
	life    context.Context
	mu      sync.Mutex
	running map[string]*running
}

type running struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done
}

func newCopies(life context.Context) *copies {
	return &copies{life: life, running: map[string]*running{}}
}

// do waits for the copy to be made, starting it if nobody has. It answers shortly
// before the caller would give up by itself: ABORTED is CSI's word for "still at it".
//
// made reports whether the copy is there. It is asked while no copy can begin or end: what the
// caller has seen before may be older than the end of the copy, which then would be made once
// more, and take the place of one that is in use.
func (c *copies) do(ctx context.Context, to string, made func() bool, work func(context.Context) error) error {
	const margin = 500 * time.Millisecond
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}
	r := c.start(to, made, work)
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		if r.err != nil {
			return status.Error(codes.Internal, r.err.Error())
		}
		return nil
	case <-ctx.Done():
		return status.Errorf(codes.Aborted, "%s is still being copied", to)
	}
}

// start gives the copy that is being made; nil if it is made.
func (c *copies) start(to string, made func() bool, work func(context.Context) error) *running {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.running[to]; ok {
		return r
	}
	if made() {
		return nil
	}
	ctx, cancel := context.WithCancel(c.life)
	r := &running{cancel: cancel, done: make(chan struct{})}
	c.running[to] = r
	go func() {
		defer cancel()
		r.err = work(ctx)
		c.mu.Lock()
		delete(c.running, to)
		c.mu.Unlock()
		close(r.done)
	}()
	return r
}

// stop interrupts the copy, if there is one, and returns when it has ended.
func (c *copies) stop(to string) {
	c.mu.Lock()
	r, ok := c.running[to]
	c.mu.Unlock()
	if ok {
		r.cancel()
		<-r.done
	}
}
