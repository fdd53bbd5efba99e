package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
)

// Application is what a run freezes; quiesce.Commands and quiesce.Hold are it.
type Application interface {
	// Quiesce returns when the application is quiesced. After an error it may be, half-way.
	// When ctx ends it ends within seconds.
	Quiesce(ctx context.Context) error
	// Lost gives an error as soon as it is known that the application is not quiesced any
	// more. A nil channel: that cannot be known.
	Lost() <-chan error
	// Unquiesce lets the application run again, whatever became of Quiesce. An error that is
	// [quiesce.ErrNotHeld] says that it runs, but was not quiesced until now. After any other it may
	// be still quiesced.
	Unquiesce(ctx context.Context) error
	// Alone says that Unquiesce ends only what Quiesce itself has begun, and no freeze of
	// another run.
	Alone() bool
}

// Limits of a run.
type Limits struct {
	Wait      time.Duration // for VolSync to wait, with nothing quiesced; 0 looks once
	Ack       time.Duration // for VolSync to react to the trigger
	Copy      time.Duration // for VolSync to record the trigger, from when it is fired
	Freeze    time.Duration // for the application to be quiesced, from the start of quiesce until it is let go
	Unquiesce time.Duration // for unquiesce, with all its attempts
}

// Run is a whole run in one process. Once quiesce has begun, whatever ends it (a failure, a
// signal, the limit of the freeze, whose timer depends on nothing else), the trigger is
// given back first if one was fired, and then the application let go.
//
// If await-waiting finds that an earlier attempt of the same run was lost, that one may
// have left the application quiesced. Then all that is done is to let it go.
func (s Step) Run(ctx context.Context, run string, app Application, l Limits) (result.Values, error) {
	out := s.values()
	for _, name := range []string{"trigger", "waiting-since", "replication-source", "fired-at", "cut-time", "copy-seconds"} {
		out.Set(name, "")
	}
	if s.Times == nil {
		s.Times = &Timeline{}
	}
	r := &running{step: s, run: run, app: app, limits: l, out: &out}
	err := r.whole(ctx)
	for _, span := range s.Times.Spans() {
		out.Set(span.Name, "")
		if span.Came {
			out.Set(span.Name, seconds(span.Took))
		}
	}
	return out, err
}

// running is a run under way.
type running struct {
	step   Step
	run    string
	app    Application
	limits Limits
	out    *result.Values

	trigger handshake.Trigger
	fired   time.Time
	early   error         // why the application was not quiesced any more, although it was to be
	cut     func() string // when the copy was cut; nil if it is known
	copy    string        // uid of the copy that was cut in the freeze, if VolSync has not recorded it yet
}

func (r *running) whole(ctx context.Context) error {
	if r.before(ctx) {
		return r.letGo(ctx)
	}
	if err := r.await(ctx); err != nil {
		// It may not have come as far as to look, for a signal that came at once.
		if r.before(context.WithoutCancel(ctx)) {
			return r.letGo(ctx)
		}
		return err
	}
	err := r.release(ctx, r.frozen(ctx))
	if r.cut != nil && err == nil {
		r.out.Set("cut-time", r.cut())
	}
	if r.copy == "" || r.copy == Recorded {
		return err
	}
	if err != nil { // said now, because the trigger still has to be recorded, or given back
		r.step.Log.Error(err.Error(), "hint", hintOf(err))
	} else {
		r.step.Log.Info(r.step.subject() + ": cut; the application runs again")
	}
	return worse(err, r.verify(ctx))
}

// These bound a look whose answer changes what is done, but must not keep it from being
// done: before the application is quiesced, and while it waits.
const (
	lookLimit  = 5 * time.Second
	shortLimit = 2 * time.Second
)

// before says that an attempt of this run has been here before: it may have left the
// application quiesced. Where that cannot be read, await-waiting will say why.
func (r *running) before(ctx context.Context) bool {
	c, err := r.look(ctx, lookLimit)
	return err == nil && handshake.Lost(c, r.run)
}

func (r *running) look(ctx context.Context, limit time.Duration) (handshake.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	st, err := r.step.lookAtClaim(ctx)
	return st.world.Claim, err
}

// letGo is all that is done where an earlier attempt of this run was lost. Whatever still
// lives of that one can neither fire nor take a copy for good when its lock is marked; what
// it has fired before that is given back.
func (r *running) letGo(ctx context.Context) error {
	s, ctx := r.step, context.WithoutCancel(ctx)
	s.Log.Warn("an earlier attempt of this run may have left the application quiesced")
	_, err := s.Disarm(ctx, r.run, s.Lock, disarmLimit)
	if err == nil {
		err = &outcome.Ending{Outcome: outcome.Tainted, Why: s.subject() + ": an earlier attempt of this run was lost; what it had fired was given back, and the application let go",
			Hint: "do not use a copy of that attempt; start again"}
	}
	return r.release(ctx, err)
}

// worse joins what two parts of a run ended with: the first says how, unless the trigger may
// still be armed by the second, or the first is only something to clean up.
func worse(first, second error) error {
	var a, b *outcome.Ending
	switch {
	case first == nil:
		return second
	case second == nil || !errors.As(first, &a) || !errors.As(second, &b):
		return first
	case b.Outcome == outcome.Tainted && a.Outcome != outcome.Tainted, a.Outcome == outcome.Failed:
		a, b = b, a
	}
	return &outcome.Ending{Outcome: a.Outcome, Err: errors.Join(first, second), Why: a.Why + "; " + b.Why, Hint: cmp.Or(a.Hint, b.Hint)}
}

func (r *running) await(ctx context.Context) error {
	values, err := r.step.AwaitWaiting(ctx, r.run, r.limits.Wait)
	r.take(values, "trigger", "waiting-since", "replication-source")
	if err != nil {
		return err
	}
	made, _ := values.Get("trigger").(string)
	r.trigger, err = handshake.ParseTrigger(made)
	return err
}

// take takes results of a step for those of the run.
func (r *running) take(values result.Values, names ...string) {
	for _, name := range names {
		if v := values.Get(name); v != nil {
			r.out.Set(name, v)
		}
	}
}

// frozen is everything between the start of quiesce and that of unquiesce.
func (r *running) frozen(ctx context.Context) error {
	s := r.step
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Freeze, tooLong{r.limits.Freeze})
	defer cancel()
	s.Times.note(turnQuiesce)
	s.Log.Info("quiescing the application")
	if err := r.app.Quiesce(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return s.unfired(fmt.Errorf("%w: %w", cause, err), "quiesce to end")
		}
		return &outcome.Ending{Outcome: outcome.Refused, Err: err, Why: fmt.Sprintf("%s: quiesce failed, so nothing was fired: %v", s.subject(), err),
			Hint: "see why in its output above; then start another run"}
	}
	s.Times.note(turnQuiesced)
	ctx, end := r.whileHeld(ctx)
	defer end()
	return r.copied(ctx)
}

// whileHeld is a context that ends, too, when the application is not quiesced any more.
func (r *running) whileHeld(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case err := <-r.app.Lost():
			r.early = err
			cancel(&outcome.Ending{Outcome: outcome.Refused, Err: err, Why: fmt.Sprintf("%s: %v", r.step.subject(), err), Hint: "see why in its output above; then start another run"})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

func (r *running) copied(ctx context.Context) error {
	s := r.step
	values, err := s.fireOnce(ctx, r.trigger)
	r.take(values, "fired-at")
	if err != nil {
		return err
	}
	r.fired = time.Now()
	s.Times.note(turnFired)
	if !s.UntilCut {
		values, r.cut, err = s.awaitCompleted(ctx, r.trigger, handshake.Seen{Fired: true}, r.limits.Copy, r.limits.Ack)
	} else if values, err = s.awaitCut(ctx, r.trigger, handshake.Seen{Fired: true}, r.limits.Copy, r.limits.Ack); err == nil {
		r.copy, _ = values.Get("copy").(string)
	}
	r.take(values, "cut-time", "copy-seconds")
	return err
}

// release lets the application go after a freeze that ended with err, and unlocks the
// claim. No signal and no limit but its own ends it.
func (r *running) release(ctx context.Context, err error) error {
	s := r.step
	ctx = context.WithoutCancel(ctx)
	if other := r.otherLock(ctx); other != "" {
		return worse(err, &outcome.Ending{Outcome: outcome.Unverified, Why: fmt.Sprintf("%s: run %s has locked the claim meanwhile, and its application is left alone", s.subject(), other),
			Hint: "let one run at a time coordinate a claim"})
	}
	s.Times.note(turnUnquiesce)
	uerr := s.unquiesce(ctx, r.app, r.limits.Unquiesce)
	if uerr == nil && r.early != nil {
		uerr = fmt.Errorf("%w: %w", quiesce.ErrNotHeld, r.early)
	}
	switch {
	case errors.Is(uerr, quiesce.ErrNotHeld):
		err = notHeld(s, err, uerr)
	case uerr != nil:
		return stillFrozen(s, err, uerr)
	}
	s.Times.note(turnReleased)
	if s.Lock {
		// Only now: who finds the claim locked must take the application for quiesced.
		if _, lerr := s.Unlock(ctx, r.run, unlockLimit); lerr != nil {
			s.Log.Warn(lerr.Error(), "hint", hintOf(lerr))
			if err == nil {
				return &outcome.Ending{Outcome: outcome.Failed, Err: lerr, Why: s.subject() + ": the claim stays locked: " + lerr.Error(), Hint: hintOf(lerr)}
			}
		}
	}
	return err
}

// otherLock is the run that has locked the claim in place of this one, where to unquiesce
// would end its freeze. Otherwise, and where it cannot be read, it is "".
func (r *running) otherLock(ctx context.Context) string {
	if !r.step.Lock || r.app.Alone() {
		return "" // not asked: the application waits
	}
	c, err := r.look(ctx, shortLimit)
	if err != nil || lockedBy(c, r.run) != "other" {
		return ""
	}
	return c.LockedBy
}

const unlockLimit = 20 * time.Second

func hintOf(err error) string {
	var ending *outcome.Ending
	if errors.As(err, &ending) {
		return ending.Hint
	}
	return ""
}

// notHeld is the end of a run whose application was not quiesced until the end. Only if
// there is certainly no copy it does not matter.
func notHeld(s Step, err, lost error) error {
	var ending *outcome.Ending
	switch {
	case err == nil:
		return &outcome.Ending{Outcome: outcome.Unverified, Err: lost, Why: fmt.Sprintf("%s: VolSync copied, but %v", s.subject(), lost), Hint: outcome.Unverified.Next()}
	case errors.As(err, &ending) && ending.Outcome == outcome.Tainted:
		return &outcome.Ending{Outcome: outcome.Unverified, Err: err, Why: ending.Why, Hint: ending.Hint}
	}
	return err
}

// stillFrozen is the end of a run that could not let the application go. Whatever else there
// is to say, this is what somebody has to act on.
func stillFrozen(s Step, err, uerr error) error {
	how, rest, next := outcome.Unverified, "", ""
	var ending *outcome.Ending
	if errors.As(err, &ending) {
		how, rest, next = ending.Outcome, ending.Why+"; ", "; then: "+cmp.Or(ending.Hint, ending.Outcome.Next())
	} else if err != nil {
		how, rest = outcome.Failed, err.Error()+"; "
	}
	return &outcome.Ending{
		Outcome: how,
		Err:     errors.Join(err, uerr),
		Why:     fmt.Sprintf("%s: %sTHE APPLICATION MAY STILL BE QUIESCED: unquiesce failed: %v", s.subject(), rest, uerr),
		Hint:    "unquiesce it by hand" + next,
	}
}

// verify waits, with the application running, until VolSync records the copy that was cut.
func (r *running) verify(ctx context.Context) error {
	s := r.step
	left := max(r.limits.Copy-time.Since(r.fired), time.Second)
	values, err := s.AwaitVerified(ctx, r.trigger, r.copy, left, r.limits.Ack)
	if err == nil {
		r.out.Set("copy-seconds", time.Since(r.fired).Round(time.Millisecond).Seconds())
		r.take(values, "cut-time")
	}
	return err
}

// tooLong is the cause of a freeze that lasted too long.
type tooLong struct{ after time.Duration }

func (t tooLong) Error() string {
	return fmt.Sprintf("the application has been quiesced for %s, the limit of --max-freeze", t.after)
}
