package quiesce

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// PodHold is a [Hold] in the application's pod. The connection to the command is its life: when it
// ends, so does the command's stdin, and nobody knows any more how the command ends.
type PodHold struct {
	Pod
	args  []string
	ready string

	said, ended chan struct{}
	lost        chan error
	err         error // how it ended, once it has

	stdin io.Closer
	stop  context.CancelFunc // ends the connection; nil before Quiesce
	limit time.Time          // of the freeze
}

// NewPodHold makes a hold of a command in a pod. ready is the line by which it says that it has the
// lock.
func NewPodHold(p Pod, args []string, ready string) *PodHold {
	return &PodHold{
		Pod: p, args: args, ready: ready,
		said: make(chan struct{}), ended: make(chan struct{}), lost: make(chan error, 1),
	}
}

// Prepare chooses the pod. Nothing is quiesced yet.
func (h *PodHold) Prepare(ctx context.Context) error { return h.choose(ctx, h.args) }

// Quiesce starts the command, and returns when it says that it has the lock.
func (h *PodHold) Quiesce(ctx context.Context) error {
	h.limit, _ = ctx.Deadline()
	h.start(ctx)
	select {
	case <-h.said:
		return nil
	case <-h.ended:
	case <-ctx.Done():
		h.letGo()
		return fmt.Errorf("the command in %s has not said %q in time; its stdin has ended", h.chosen, h.ready)
	}
	select {
	case <-h.said: // and ended in the same moment
		return nil
	default:
		return fmt.Errorf("%w before it said %q", h.exitError(), h.ready)
	}
}

func (h *PodHold) start(ctx context.Context) {
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	r, w := io.Pipe()
	h.stdin = w
	c, once := h.command(h.args), sync.Once{}
	c.Stdin, c.Line = r, func(line string) {
		if strings.TrimSpace(line) == h.ready {
			once.Do(func() { close(h.said) })
		}
	}
	go func() {
		_, h.err = h.Cluster.Run(ctx, h.chosen, c)
		h.lost <- fmt.Errorf("%w early", h.exitError())
		close(h.ended)
		_ = r.Close()
	}()
}

// exitError describes an end that nobody asked for.
func (h *PodHold) exitError() error {
	if h.err != nil {
		return h.err
	}
	return fmt.Errorf("the command in %s ended", h.chosen)
}

// Lost gives an error when the command, or the connection to it, has ended.
func (h *PodHold) Lost() <-chan error { return h.lost }

// letGo ends the command's stdin, gives it lastWords to end, and then the connection.
func (h *PodHold) letGo() {
	_ = h.stdin.Close()
	select {
	case <-h.ended:
	case <-time.After(lastWords):
	}
	h.stop()
}

// Unquiesce closes the command's stdin, and waits for its end, which is the proof. One that goes
// on cannot be ended from here, and may have its lock still.
func (h *PodHold) Unquiesce(ctx context.Context, _ func(context.Context) error) error {
	if h.stop == nil {
		return nil // it never ran
	}
	defer h.stop()
	select {
	case <-h.said:
	default:
		h.letGo() // it never had the lock, and finds the end of its stdin when it has
		return nil
	}
	select {
	case <-h.ended:
		return fmt.Errorf("%w: %w early", ErrNotHeld, h.exitError())
	default:
	}
	_ = h.stdin.Close()
	ctx, cancel := context.WithTimeout(ctx, max(time.Until(h.limit), endGrace))
	defer cancel()
	select {
	case <-h.ended:
		if h.err != nil {
			return fmt.Errorf("%w: %w", ErrNotHeld, h.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the command in %s did not end when its stdin did, and cannot be ended from here", h.chosen)
	}
}

// UnquiesceIsScoped reports true: a session's lock is its own.
func (h *PodHold) UnquiesceIsScoped() bool { return true }
