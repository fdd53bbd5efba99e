package step

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// graceOfRefusal is how long an account that had its rights may be refused before it is
// believed: an API server that has just been started refuses until it has read its rules.
const graceOfRefusal = 30 * time.Second

// heartbeat is how often a wait that stays the same says that it still is one.
const heartbeat = time.Minute

// decider decides about one state. It ends the wait with done or an error; otherwise why
// says what is being waited for.
type decider struct {
	decide func(ctx context.Context, st state) (done bool, why string, err error)

	look    func(context.Context) (state, error) // nil: Step.look
	nudge   <-chan struct{}                      // another reason to look again; may be nil
	lenient bool                                 // once there was a look, a refusal, too, may pass: for graceOfRefusal
}

// waiter is one wait on the claim, its ReplicationSource and its copy. A change of any
// of them makes it look at all of them again and decide anew: VolSync may begin to wait
// without writing the claim, when an older WaitingForTrigger still stands there.
type waiter struct {
	step    Step
	decider decider
	poke    chan struct{} // something may have changed; full means that a look is due anyway
	fatal   chan error    // the first error that does not pass
	running sync.WaitGroup

	mu      sync.Mutex
	reason  string
	looked  bool      // at least once
	refused time.Time // since when; zero after a look
}

// watching is one watch of a waiter.
type watching struct {
	stands atomic.Bool
	stop   context.CancelFunc
}

// wait calls d.decide with the present state, at once and after every change, until it is
// done, fails, or ctx ends: the error is then ctx's cause. With once it looks only once.
// The reason is the last one given, for the message of whoever gives up.
func (s Step) wait(ctx context.Context, once bool, d decider) (reason string, err error) {
	w := s.waiter(d)
	if once {
		return w.once(ctx)
	}
	err = w.during(ctx, w.run)
	return w.why(), err
}

func (s Step) waiter(d decider) *waiter {
	if d.look == nil {
		d.look = s.look
	}
	return &waiter{step: s, decider: d, poke: make(chan struct{}, 1), fatal: make(chan error, 1), reason: "reaching the API server"}
}

// during is the wait, from its first watch to the end of its last goroutine.
func (w *waiter) during(ctx context.Context, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer w.running.Wait()
	defer cancel()
	w.running.Go(func() { w.beat(ctx) })
	return run(ctx)
}

// next waits until there is a reason to look. Its error ends the wait.
func (w *waiter) next(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-w.fatal:
		return err
	case <-w.poke:
	case <-w.decider.nudge:
	}
	return nil
}

func (w *waiter) run(ctx context.Context) error {
	s := w.step
	watches := map[string]*watching{
		"claim": w.watch(ctx, func(ctx context.Context, changed func()) error {
			return s.Claims.Follow(ctx, s.Claim, changed, w.trouble)
		}),
	}
	if !s.ClaimOnly {
		watches["sources"] = w.watch(ctx, func(ctx context.Context, changed func()) error {
			return s.VolSync.FollowSources(ctx, changed, w.trouble)
		})
	}
	var copied handshake.Source // whose copy is watched
	for {
		if err := w.next(ctx); err != nil {
			return err
		}
		if !stand(watches) {
			continue // what is not watched yet could change unseen after the look
		}
		var st state
		err := kube.Retry(ctx, w.trouble, func(ctx context.Context) (err error) {
			st, err = w.decider.look(ctx)
			return err
		})
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			return err
		}
		w.saw()
		if source, ok := st.copies(); ok && (source.Name != copied.Name || source.Method != copied.Method) {
			if old := watches["copy"]; old != nil {
				old.stop()
			}
			copied = source
			watches["copy"] = w.watch(ctx, func(ctx context.Context, changed func()) error {
				return s.VolSync.FollowCopy(ctx, source, changed, w.trouble)
			})
			continue
		}
		done, why, err := w.decider.decide(ctx, st)
		if done || err != nil {
			return err
		}
		w.because(why)
	}
}

// beat says from time to time that the wait goes on, also while the API server is away.
func (w *waiter) beat(ctx context.Context) {
	start, beat := time.Now(), time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			w.step.Log.Info("still waiting: "+w.why(), "waited", time.Since(start).Round(time.Second).String())
		}
	}
}

// once is a wait that does not wait.
func (w *waiter) once(ctx context.Context) (string, error) {
	var st state
	err := w.step.persist(ctx, true, func(ctx context.Context) (err error) {
		st, err = w.decider.look(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	done, why, err := w.decider.decide(ctx, st)
	if done || err != nil {
		return why, err
	}
	return why, timeUp{0}
}

// watch follows something until ctx ends. That it has been called for the first time
// means that the watch stands.
func (w *waiter) watch(ctx context.Context, follow func(ctx context.Context, changed func()) error) *watching {
	ctx, cancel := context.WithCancel(ctx)
	watch := &watching{stop: cancel}
	w.running.Go(func() {
		defer cancel()
		err := follow(ctx, func() {
			watch.stands.Store(true)
			select {
			case w.poke <- struct{}{}:
			default:
			}
		})
		if err != nil && ctx.Err() == nil {
			select {
			case w.fatal <- err:
			default:
			}
		}
	})
	return watch
}

func stand(watches map[string]*watching) bool {
	for _, w := range watches {
		if !w.stands.Load() {
			return false
		}
	}
	return true
}

// because keeps the reason, and says it if it is a new one.
func (w *waiter) because(why string) {
	w.mu.Lock()
	was := w.reason
	w.reason = why
	w.mu.Unlock()
	if why != was {
		w.step.Log.Info("waiting: " + why)
	}
}

func (w *waiter) why() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// saw notes that there was a look.
func (w *waiter) saw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked, w.refused = true, time.Time{}
}

// trouble is a reason to wait, too: for the API server.
func (w *waiter) trouble(err error) bool {
	again := kube.Passing(err) || kube.IsDenied(err) && w.bears()
	if again {
		w.because("trying again: " + err.Error())
	}
	return again
}

// bears says whether a refusal may still pass.
func (w *waiter) bears() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.decider.lenient || !w.looked {
		return false
	}
	if w.refused.IsZero() {
		w.refused = time.Now()
	}
	return time.Since(w.refused) < graceOfRefusal
}
