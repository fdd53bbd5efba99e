package step

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// StartSyncOptions are those of [Group.StartSync].
type StartSyncOptions struct {
	Run     string
	Timeout time.Duration // for VolSync to begin the syncs
}

// SyncStarted is a claim whose ReplicationSource runs a sync.
type SyncStarted struct {
	Source string
	Since  string // when the sync began
	Begun  bool   // by this run: it did not run already
}

// StartSync starts a sync of every ReplicationSource of the group that is idle, by its manual
// trigger, and returns when all of them run one. As soon as a sync has begun, it puts back what was
// there, so that a schedule goes on. Where it gives up, it puts back all of it.
//
// What would make await-waiting fail is refused first: a sync that is started for nothing waits.
func (g Group) StartSync(ctx context.Context, o StartSyncOptions) ([]SyncStarted, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	if err := g.mayFire(ctx, o.Run, false); err != nil {
		return nil, err
	}
	all := make([]handshake.Starting, len(g))
	found := make([]SyncStarted, len(g))
	for i, s := range g {
		all[i] = handshake.Starting{Run: o.Run, Manual: o.Run + "." + s.Process}
	}
	running := make([]bool, len(g))
	reason, err := g.wait(ctx, false, groupWait{
		decide: func(ctx context.Context, sts []observation) (bool, string, error) {
			why := make([]string, len(g))
			errs := g.each(func(i int, s Step) (err error) {
				if !running[i] {
					running[i], why[i], err = s.start(ctx, sts[i], &all[i], &found[i])
				}
				return err
			})
			why = slices.DeleteFunc(why, func(s string) bool { return s == "" })
			return len(why) == 0, strings.Join(some(why), "; "), g.together(errs)
		},
	})
	if err = g.shared().unfired(err, reason); err != nil {
		return found, g.shared().mergeEndings(err, g.putBack(ctx, o.Run, all))
	}
	return found, nil
}

// start carries out what the reducer decides about what was seen. It reports whether the sync runs,
// and nothing is left to put back; otherwise why says what is being waited for.
func (s Step) start(
	ctx context.Context, seen observation, st *handshake.Starting, found *SyncStarted,
) (bool, string, error) {
	first := seen
	look := func(ctx context.Context) (o observation, err error) {
		seen, err = s.look(ctx)
		return seen, err
	}
	d, err := s.apply(ctx, loop{passes: kube.Passing, whole: true, look: look, seen: &first}, st)
	switch {
	case err != nil:
		return false, "", err
	case d.Do == handshake.Look || d.Outcome == "":
		return false, s.waitsFor(d), nil
	case d.Outcome != outcome.OK:
		return false, "", s.ending(d)
	}
	source := seen.observed.Sources[0]
	*found = SyncStarted{Source: source.Name, Since: source.SyncStart, Begun: st.Begun()}
	s.Log.Info(s.about(d.Why))
	return true, "", nil
}

// putBack puts back what a start-sync that gives up has replaced.
func (g Group) putBack(ctx context.Context, run string, all []handshake.Starting) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	return g.together(g.each(func(i int, s Step) error {
		if !all[i].MayBeSet() {
			return nil
		}
		b := all[i].GiveUp()
		return s.putBack(ctx, loop{passes: lenient, whole: true, look: s.lookAtSources}, &b)
	}))
}

// putBackLost puts back what a start-sync of a run that was lost has replaced. An account that may
// not list ReplicationSources has started no sync.
func (g Group) putBackLost(ctx context.Context, run string) error {
	if g[0].ClaimOnly {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), unlockLimit, timeUp{unlockLimit})
	defer cancel()
	quick, end := context.WithTimeoutCause(ctx, lookLimit, timeUp{lookLimit})
	defer end()
	of, err := g.sourcesOf(quick)
	if err != nil {
		if s := g.shared(); !kube.IsDenied(err) && !kube.IsNotFound(err) {
			s.Log.Warn(s.about("not looked whether a start-sync of run "+run+" has left a manual trigger: "+err.Error()),
				"hint", s.then("if it was run", handshake.Move{Kind: handshake.MoveCleanup, Run: run}))
		}
		return nil
	}
	return g.together(g.each(func(_ int, s Step) error {
		b := handshake.PuttingBack{Run: run}
		if p, _ := b.Next(handshake.Observed{Sources: of[s.Claim]}); p.Empty() {
			return nil
		}
		return s.putBack(ctx, loop{passes: kube.Passing, whole: true, look: s.lookAtSources}, &b)
	}))
}

// putBack carries out what the reducer decides.
func (s Step) putBack(ctx context.Context, l loop, b *handshake.PuttingBack) error {
	for {
		d, err := s.apply(ctx, l, b)
		switch {
		case err != nil:
			ending := *endingOf(s.unfired(err, ""))
			if ending.Outcome != outcome.Refused {
				ending.Outcome = outcome.Failed
			}
			ending.Why = s.about(ending.Why)
			return s.left(outcome.LeftManual, b.Run, &ending)
		case d.Outcome == "":
			continue // the fence of a write in doubt, to be taken off
		}
		if d.Do == handshake.Write {
			s.Log.Info(s.about(d.Why))
		}
		return nil
	}
}

// lookAtSources reads the ReplicationSources alone.
func (s Step) lookAtSources(ctx context.Context) (st observation, err error) {
	of, err := Group{s}.sourcesOf(ctx)
	st.observed.Sources = of[s.Claim]
	return st, err
}
