package step

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

// onlooker watches the ReplicationSource and the copy of a fired trigger. Whatever goes
// wrong with that is a loss of news, and nothing else.
type onlooker struct {
	step    Step
	trigger handshake.Trigger
	nudge   chan struct{} // there is news
	stop    context.CancelFunc
	ended   sync.WaitGroup

	mu    sync.Mutex
	known bool // world is a look's
	world handshake.World
	cutAt string // of the copy that was there while the trigger was in its place
}

// lookOn starts the onlooker; with idle there is none, but it can be asked all the same.
func (s Step) lookOn(ctx context.Context, t handshake.Trigger, idle bool) *onlooker {
	ctx, cancel := context.WithCancel(ctx)
	o := &onlooker{step: s, trigger: t, nudge: make(chan struct{}, 1), stop: cancel}
	if s.ClaimOnly || idle {
		return o
	}
	o.step.Log = slog.New(slog.DiscardHandler) // the claim's own wait does the talking
	o.ended.Go(func() {
		_, err := o.step.wait(ctx, false, decider{lenient: true, decide: func(_ context.Context, st state) (bool, string, error) {
			o.see(st.world)
			return false, "", nil
		}})
		if ctx.Err() == nil {
			s.Log.Warn("no news of the copy any more: " + err.Error())
		}
	})
	return o
}

func (o *onlooker) end() {
	o.stop()
	o.ended.Wait()
}

func (o *onlooker) see(w handshake.World) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known, o.world = true, w
	if c := w.Copy; c != nil && c.Cut != "" && w.Claim.Trigger == o.trigger.String() {
		o.cutAt = c.Cut
		o.step.Times.note(turnCut)
	}
	select {
	case o.nudge <- struct{}{}:
	default:
	}
}

// orphaned says that no ReplicationSource copies the claim any more.
func (o *onlooker) orphaned() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known && len(o.world.Sources) == 0
}

// note says how far the storage is, as far as it tells.
func (o *onlooker) note(claim handshake.Claim) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch c := o.world.Copy; {
	case c == nil || claim.Status != handshake.StatusInProgress:
		return ""
	case c.Problem != "":
		// Not the end: drivers report errors that pass (VolSync never reads this either).
		return fmt.Sprintf("; the storage reports for %s: %s", c.Name, c.Problem)
	case c.Cut != "":
		return fmt.Sprintf("; %s was cut at %s and is not ready to use yet", c.Name, c.Cut)
	default:
		return fmt.Sprintf("; %s is not cut yet", c.Name)
	}
}

// cutLimit bounds the last look for the time of the cut, which the application pays for.
const cutLimit = 2 * time.Second

// cut is when the copy was cut; "" if that is not known. claim is the one that has the
// record: with another trigger on it, the copy may be another's.
func (o *onlooker) cut(claim handshake.Claim) string {
	o.mu.Lock()
	cut, sources := o.cutAt, o.world.Sources
	o.mu.Unlock()
	if cut != "" || o.step.ClaimOnly || claim.Trigger != o.trigger.String() {
		return cut
	}
	ctx, cancel := context.WithTimeout(context.Background(), cutLimit)
	defer cancel()
	if len(sources) == 0 {
		sources, _ = o.step.VolSync.Sources(ctx, o.step.Claim)
	}
	if len(sources) != 1 {
		return ""
	}
	if c, err := o.step.VolSync.Copy(ctx, sources[0]); err == nil && c != nil {
		return c.Cut
	}
	return ""
}
