package step

import (
	"context"
	"log/slog"
	"reflect"
	"sync"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

// progress watches the ReplicationSource and the copy of a fired trigger, beside the wait that
// decides. Whatever goes wrong with that is a loss of news, and nothing else.
type progress struct {
	step    Step
	trigger handshake.Trigger
	times   *Timeline
	news    chan struct{}

	mu       sync.Mutex
	known    bool // observed is a look's
	observed handshake.Observed
	cutAt    string // of the copy that was there while the trigger was in its place
}

// observe starts a progress for each member, until stop is called. Those of a group share one watch of
// the ReplicationSources. Whoever waits for the records watches the claims. A progress that is idle, or
// whose step may not read more than the claim, can be asked all the same.
func (g Group) observe(
	ctx context.Context, t handshake.Trigger, idle bool, times []*Timeline,
) (all []*progress, stop func()) {
	quiet := make(Group, len(g))
	for i, s := range g {
		s.Log, s.shared = slog.New(slog.DiscardHandler), nil // the claim's own wait does the talking
		quiet[i] = s
		all = append(all, &progress{step: s, trigger: t, times: times[i], news: make(chan struct{}, 1)})
	}
	if g[0].ClaimOnly || idle {
		return all, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		update := func(_ context.Context, sts []observation) (bool, string, error) {
			for i, p := range all {
				p.update(sts[i].observed)
			}
			return false, "", nil
		}
		never := func([]observation) bool { return false }
		_, err := quiet.wait(ctx, false, groupWait{lenient: true, beside: true, decide: update, ends: never})
		if ctx.Err() == nil {
			g.shared().Log.Warn("no news of the copy any more: " + err.Error())
		}
	})
	return all, func() { cancel(); ended.Wait() }
}

// update takes what was seen. What is no news wakes nobody.
func (p *progress) update(w handshake.Observed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && reflect.DeepEqual(p.observed, w) {
		return
	}
	p.known, p.observed = true, w
	if c := w.Copy; c != nil && c.Cut != "" && w.Claim.Trigger == p.trigger.String() {
		p.cutAt = c.Cut
		p.times.mark(cut)
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// sourceGone reports whether no ReplicationSource copies the claim any more.
func (p *progress) sourceGone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known && len(p.observed.Sources) == 0
}

// seen returns what was looked at last. It reports false if there was no look.
func (p *progress) seen() (handshake.Observed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.observed, p.known
}

// describe says how far the storage is, as far as it tells.
func (p *progress) describe(claim handshake.Claim) string {
	if p == nil {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known || claim.Status != handshake.StatusInProgress {
		return ""
	}
	return p.observed.Copying()
}

// cutTime is when the copy was cut; "" if that is not known. claim is the one that has the
// record: with another trigger on it, the copy may be another's.
func (p *progress) cutTime(claim handshake.Claim) string {
	p.mu.Lock()
	at, sources := p.cutAt, p.observed.Sources
	p.mu.Unlock()
	if at != "" || p.step.ClaimOnly || claim.Trigger != p.trigger.String() {
		return at
	}
	ctx, cancel := context.WithTimeout(context.Background(), cutLimit)
	defer cancel()
	if len(sources) == 0 {
		st, err := p.step.look(ctx)
		if err != nil || st.observed.Copy == nil {
			return ""
		}
		return st.observed.Copy.Cut
	}
	if len(sources) != 1 {
		return ""
	}
	if c, err := p.step.VolSync.Copy(ctx, sources[0]); err == nil && c != nil {
		return c.Cut
	}
	return ""
}
