package step

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

const (
	// graceOfRefusal is how long an account that had its rights may be refused before that is
	// believed: an API server that has just been started refuses until it has read its rules.
	graceOfRefusal = 30 * time.Second

	// heartbeat is how often a wait that stays the same says that it still is one.
	heartbeat = time.Minute

	// lookAgain is how long a wait goes without a look, whatever its watches say, or do not say.
	lookAgain = 30 * time.Second
)

// wait is a wait on the claim, its ReplicationSource and its copy. A change of any of them
// makes it look at all of them again and decide anew: VolSync may begin to wait without writing
// the claim, when an older WaitingForTrigger still stands there.
type wait struct {
	// decide decides about one look. It ends the wait with done or an error; otherwise why says
	// what is being waited for.
	decide func(ctx context.Context, st observation) (done bool, why string, err error)

	look      func(context.Context) (observation, error) // nil: Step.look
	claimOnly bool                                       // nothing but the claim is watched
	wake      <-chan struct{}                            // another reason to look again; may be nil
	lenient   bool                                       // once there was a look, a refusal, too, may pass
}

// wait is a wait for one claim.
func (s Step) wait(ctx context.Context, once bool, w wait) (reason string, err error) {
	g := groupWait{claimOnly: w.claimOnly, wake: w.wake, lenient: w.lenient}
	g.decide = func(ctx context.Context, sts []observation) (bool, string, error) { return w.decide(ctx, sts[0]) }
	if w.look != nil {
		g.look = func(_ Step, ctx context.Context) (observation, error) { return w.look(ctx) }
	}
	return Group{s}.wait(ctx, once, g)
}

// groupWait is a wait for a group: decide decides about looks at all members.
type groupWait struct {
	decide    func(ctx context.Context, sts []observation) (done bool, why string, err error)
	look      func(Step, context.Context) (observation, error) // nil: Step.look
	claimOnly bool
	wake      <-chan struct{}
	lenient   bool
}

// wait looks after every change, and every half minute, until w decides that it is done, an
// error does not pass, or ctx ends: the error is then ctx's cause. With once it looks only once.
// The reason is the last one given, for the message of whoever gives up.
//
// A lenient wait looks at once, whatever becomes of its watches: an application may be frozen.
// Any other first waits until its watches are established, so that a right that the later steps
// need is missed here, while nothing is frozen.
func (g Group) wait(ctx context.Context, once bool, w groupWait) (reason string, err error) {
	s := g.shared()
	if w.look == nil {
		w.look = Step.look
	}
	look := func(ctx context.Context) ([]observation, error) { return g.looks(ctx, w.look) }
	if once {
		return lookOnce(ctx, look, w.decide)
	}
	run := newWaiter(s.Log, w.lenient, w.wake)
	err = run.during(ctx, func(ctx context.Context) error {
		copies := g.watch(ctx, run, w)
		return run.until(ctx, func(ctx context.Context) (bool, string, error) {
			sts, err := retried(ctx, run.trouble, look)
			if err != nil {
				return false, "", err
			}
			again := false
			for i, st := range sts {
				again = copies[i].follow(ctx, st) || again
			}
			if again && !w.lenient {
				return false, "", nil // look again when the copies are watched
			}
			return w.decide(ctx, sts)
		})
	})
	return run.why(), err
}

// lookOnce is a wait that was told not to wait.
func lookOnce(
	ctx context.Context, look func(context.Context) ([]observation, error),
	decide func(context.Context, []observation) (bool, string, error),
) (reason string, err error) {
	sts, err := look(ctx)
	if err != nil {
		return "", err
	}
	done, why, err := decide(ctx, sts)
	if !done && err == nil {
		err = timeUp{0}
	}
	return why, err
}

// watch watches the claims, and VolSync's objects. The copies are watched when they are known.
func (g Group) watch(ctx context.Context, run *waiter, w groupWait) []copyWatch {
	copies := make([]copyWatch, len(g))
	for i, member := range g {
		copies[i] = copyWatch{step: member, waiter: run, stop: func() {}}
		run.watch(ctx, func(ctx context.Context, changed func()) error {
			return member.Claims.Follow(ctx, member.Claim, changed, run.trouble)
		})
	}
	if s := g[0]; !s.ClaimOnly && !w.claimOnly {
		run.watch(ctx, func(ctx context.Context, changed func()) error {
			return s.VolSync.FollowSources(ctx, changed, run.trouble)
		})
	}
	return copies
}

// copyWatch is the watch of the copy of the ReplicationSource that was seen last.
type copyWatch struct {
	step   Step
	waiter *waiter
	source handshake.Source
	stop   func()
}

// follow watches the copy of what was seen. It reports whether it has just begun to.
func (c *copyWatch) follow(ctx context.Context, st observation) bool {
	source, ok := st.copies()
	if !ok || source.Name == c.source.Name && source.Method == c.source.Method {
		return false
	}
	c.stop()
	c.source = source
	c.stop = c.waiter.watch(ctx, func(ctx context.Context, changed func()) error {
		return c.step.VolSync.FollowCopy(ctx, source, changed, c.waiter.trouble)
	})
	return true
}

// retried is a look that is repeated as long as its errors may pass.
func retried[T any](
	ctx context.Context, trouble kube.Trouble, look func(context.Context) (T, error),
) (seen T, err error) {
	err = kube.Retry(ctx, trouble, func(ctx context.Context) (err error) {
		seen, err = look(ctx)
		return err
	})
	return seen, err
}

// waiter is a wait under way: its watches, and what it says.
type waiter struct {
	log     *slog.Logger
	lenient bool
	other   <-chan struct{}
	wake    chan struct{} // something may have changed; full means that a look is due anyway
	fatal   chan error    // the first error that does not pass
	pending atomic.Int32  // watches that are not established yet
	running sync.WaitGroup

	mu      sync.Mutex
	reason  string
	looked  bool      // at least once
	refused time.Time // since when; zero after a look
}

func newWaiter(log *slog.Logger, lenient bool, other <-chan struct{}) *waiter {
	return &waiter{
		log: log, lenient: lenient, other: other,
		wake: make(chan struct{}, 1), fatal: make(chan error, 1), reason: "reaching the API server",
	}
}

// during is the wait, from its first watch to the end of its last goroutine.
func (w *waiter) during(ctx context.Context, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer w.running.Wait()
	defer cancel()
	w.running.Go(func() { w.logHeartbeat(ctx) })
	return run(ctx)
}

// until looks until a look says that it is done. It keeps the reason where why is "".
func (w *waiter) until(ctx context.Context, look func(context.Context) (done bool, why string, err error)) error {
	for {
		if !w.lenient && w.pending.Load() > 0 {
			if err := w.next(ctx); err != nil {
				return err
			}
			continue
		}
		done, why, err := look(ctx)
		switch {
		case ctx.Err() != nil && !done:
			return context.Cause(ctx)
		case done || err != nil:
			return err
		}
		w.hasLooked()
		if why != "" {
			w.setReason(why)
		}
		if err := w.next(ctx); err != nil {
			return err
		}
	}
}

// next waits until there is a reason to look. Its error ends the wait.
func (w *waiter) next(ctx context.Context) error {
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-w.fatal:
		return err
	case <-w.wake:
	case <-w.other:
	case <-again.C:
	}
	return nil
}

// watch follows something until ctx ends, or stop is called. The first call of changed means
// that the watch is established. A lenient wait outlives a watch that is refused: it looks again
// all the same.
func (w *waiter) watch(ctx context.Context, follow func(ctx context.Context, changed func()) error) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w.pending.Add(1)
	established := sync.OnceFunc(func() { w.pending.Add(-1) })
	w.running.Go(func() {
		defer established()
		err := follow(ctx, func() {
			established()
			select {
			case w.wake <- struct{}{}:
			default:
			}
		})
		switch {
		case err == nil || ctx.Err() != nil:
		case w.lenient && kube.IsDenied(err):
			w.log.Warn("looking every " + lookAgain.String() + ", for a watch is refused: " + err.Error())
		default:
			select {
			case w.fatal <- err:
			default:
			}
		}
	})
	return cancel
}

// logHeartbeat says from time to time that the wait goes on, also while the API server is away.
func (w *waiter) logHeartbeat(ctx context.Context) {
	start, beat := time.Now(), time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			w.log.Info("still waiting: "+w.why(), "waited", time.Since(start).Round(time.Second).String())
		}
	}
}

// setReason keeps the reason, and says it if it is a new one.
func (w *waiter) setReason(why string) {
	w.mu.Lock()
	was := w.reason
	w.reason = why
	w.mu.Unlock()
	if why != was {
		w.log.Info("waiting: " + why)
	}
}

func (w *waiter) why() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// hasLooked notes that there was a look.
func (w *waiter) hasLooked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked, w.refused = true, time.Time{}
}

// trouble is a reason to wait, too: for the API server.
func (w *waiter) trouble(err error) bool {
	again := kube.Passing(err) || kube.IsDenied(err) && w.toleratesDenied()
	if again {
		w.setReason("trying again: " + err.Error())
	}
	return again
}

// toleratesDenied reports whether a refusal may still pass.
func (w *waiter) toleratesDenied() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lenient || !w.looked {
		return false
	}
	if w.refused.IsZero() {
		w.refused = time.Now()
	}
	return time.Since(w.refused) < graceOfRefusal
}
