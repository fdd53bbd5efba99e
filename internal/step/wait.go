package step

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
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
		g.look = func(_ Group, ctx context.Context) ([]observation, error) {
			st, err := w.look(ctx)
			return []observation{st}, err
		}
	}
	return Group{s}.wait(ctx, once, g)
}

// groupWait is a wait for a group: decide decides about looks at all members.
type groupWait struct {
	decide func(ctx context.Context, sts []observation) (done bool, why string, err error)
	// ends reports whether decide would end the wait, so that all members have to be looked at at
	// the same time. Until then it is enough to look at those that have changed. With nil every look
	// is at all members.
	ends func(sts []observation) bool

	look      func(Group, context.Context) ([]observation, error) // nil: at all there is
	claimOnly bool
	beside    bool // the claims are not watched
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
	if once {
		return g.lookOnce(ctx, w)
	}
	run := newWaiter(s.Log, w.lenient, w.wake)
	err = run.during(ctx, func(ctx context.Context) error {
		copies := g.watch(ctx, run, w)
		sts := make([]observation, len(g))
		return run.until(ctx, func(ctx context.Context) (bool, string, error) {
			if err := g.lookAgain(ctx, run, w, copies, sts); err != nil {
				return false, "", err
			}
			return w.decide(ctx, sts)
		})
	})
	return run.why(), err
}

// lookAgain looks at the members that have changed, and at all of them where the wait would end.
func (g Group) lookAgain(ctx context.Context, run *waiter, w groupWait, copies []copyWatch, sts []observation) error {
	changed := run.changed(len(g))
	if len(changed) < len(g) && w.ends != nil {
		if err := g.lookAt(ctx, run, w, copies, sts, changed); err != nil || !w.ends(sts) {
			return err
		}
	}
	return g.lookAt(ctx, run, w, copies, sts, every(len(g)))
}

// lookAt looks at some members, as often as it takes.
func (g Group) lookAt(
	ctx context.Context, run *waiter, w groupWait, copies []copyWatch, sts []observation, members []int,
) error {
	if len(members) == 0 {
		return nil
	}
	var looked Group
	for _, i := range members {
		looked = append(looked, g[i])
	}
	before := func(_ context.Context, i int, source handshake.Source) error {
		return copies[members[i]].followFirst(ctx, source)
	}
	seen, err := retried(ctx, run.trouble, func(ctx context.Context) ([]observation, error) {
		return looked.lookFor(ctx, w, before)
	})
	if err != nil {
		return err
	}
	for n, i := range members {
		sts[i] = seen[n]
		if source, ok := sts[i].copies(); ok {
			copies[i].follow(ctx, source)
		}
	}
	return nil
}

// lookFor is a look for a wait. before comes before the look at a copy, unless the wait is lenient.
func (g Group) lookFor(
	ctx context.Context, w groupWait, before func(context.Context, int, handshake.Source) error,
) ([]observation, error) {
	switch {
	case w.look != nil:
		return w.look(g, ctx)
	case w.lenient:
		return g.lookFrozen(ctx)
	}
	return g.look(ctx, reading{sources: g[0].sources, before: before})
}

func every(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// lookOnce is a wait that was told not to wait.
func (g Group) lookOnce(ctx context.Context, w groupWait) (reason string, err error) {
	sts, err := g.lookFor(ctx, w, nil)
	if err != nil {
		return "", err
	}
	done, why, err := w.decide(ctx, sts)
	if !done && err == nil {
		err = timeUp{0}
	}
	return why, err
}

// watch watches the claims, and VolSync's objects. The copies are watched when they are known.
func (g Group) watch(ctx context.Context, run *waiter, w groupWait) []copyWatch {
	copies, members := make([]copyWatch, len(g)), map[string]int{}
	for i, member := range g {
		copies[i] = copyWatch{step: member, waiter: run, member: i, stop: func() {}}
		members[member.Claim] = i
		if w.beside {
			continue
		}
		run.watch(ctx, func(ctx context.Context, established func()) error {
			changed := func() { established(); run.change(i) }
			return member.Claims.Follow(ctx, member.Claim, changed, run.trouble)
		})
	}
	if s := g[0]; !s.ClaimOnly && !w.claimOnly {
		run.watch(ctx, func(ctx context.Context, established func()) error {
			return s.VolSync.FollowSources(ctx, func(claim string) {
				established()
				if i, ours := members[claim]; ours {
					run.change(i)
				} else if claim == "" {
					run.changeAny()
				}
			}, run.trouble)
		})
	}
	return copies
}

// copyWatch is the watch of the copy of the ReplicationSource that was seen last.
type copyWatch struct {
	step        Step
	waiter      *waiter
	member      int
	source      handshake.Source
	stop        func()
	established <-chan struct{}
}

// follow watches the copy of a ReplicationSource.
func (c *copyWatch) follow(ctx context.Context, source handshake.Source) {
	if source.Name == c.source.Name && source.Method == c.source.Method {
		return
	}
	c.stop()
	c.source = source
	c.stop, c.established = c.waiter.watch(ctx, func(ctx context.Context, established func()) error {
		changed := func() { established(); c.waiter.change(c.member) }
		return c.step.VolSync.FollowCopy(ctx, source, changed, c.waiter.trouble)
	})
}

// followFirst watches the copy of a ReplicationSource, and waits until the watch is established.
func (c *copyWatch) followFirst(ctx context.Context, source handshake.Source) error {
	c.follow(ctx, source)
	select {
	case <-c.established:
		return c.waiter.failed()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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
	looked  bool         // at least once
	refused time.Time    // since when; zero after a look
	some    map[int]bool // the members that may have changed since they were looked at
	any     bool         // all of them may have
}

func newWaiter(log *slog.Logger, lenient bool, other <-chan struct{}) *waiter {
	return &waiter{
		log: log, lenient: lenient, other: other,
		wake: make(chan struct{}, 1), fatal: make(chan error, 1), reason: "reaching the API server",
		some: map[int]bool{}, any: true,
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

// until looks until a look says that it is done. It keeps the reason where why is "". When ctx has ended
// meanwhile, an error of a request is mostly only that; but an ending says what is left behind.
func (w *waiter) until(ctx context.Context, look func(context.Context) (done bool, why string, err error)) error {
	for {
		if !w.lenient && w.pending.Load() > 0 {
			if err := w.next(ctx); err != nil {
				return err
			}
			continue
		}
		done, why, err := look(ctx)
		var ending *outcome.Ending
		switch {
		case done || errors.As(err, &ending):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
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
		w.setAny()
	case <-again.C:
		w.setAny()
	}
	return nil
}

// change notes that a member may have changed.
func (w *waiter) change(member int) {
	w.mu.Lock()
	w.some[member] = true
	w.mu.Unlock()
	w.wakeUp()
}

// changeAny notes that anything may have changed.
func (w *waiter) changeAny() {
	w.setAny()
	w.wakeUp()
}

func (w *waiter) setAny() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.any = true
}

func (w *waiter) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// changed are those of n members that may have changed since it was asked last.
func (w *waiter) changed(n int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	members := slices.Sorted(maps.Keys(w.some))
	if w.any {
		members = every(n)
	}
	w.some, w.any = map[int]bool{}, false
	return members
}

// failed is the error that ends the wait; nil for none.
func (w *waiter) failed() error {
	select {
	case err := <-w.fatal:
		return err
	default:
		return nil
	}
}

// watch follows something until ctx ends, or stop is called. The call of established, whose
// channel it closes, means that the watch is. A lenient wait outlives a watch that is refused: it
// looks again all the same.
func (w *waiter) watch(
	ctx context.Context, follow func(ctx context.Context, established func()) error,
) (stop func(), established <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	w.pending.Add(1)
	stands := make(chan struct{})
	establish := sync.OnceFunc(func() { w.pending.Add(-1); close(stands) })
	w.running.Go(func() {
		defer establish()
		err := follow(ctx, establish)
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
	return cancel, stands
}

// watchAll is watch of what any change of is a reason to look at everything.
func (w *waiter) watchAll(ctx context.Context, follow func(ctx context.Context, changed func()) error) {
	w.watch(ctx, func(ctx context.Context, established func()) error {
		return follow(ctx, func() { established(); w.changeAny() })
	})
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
