package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// AwaitSyncedOptions are those of [Group.AwaitSynced].
type AwaitSyncedOptions struct {
	Trigger handshake.Trigger // that VolSync has recorded
	Timeout time.Duration     // 0 looks once
}

// Synced is what became of the data of a copy.
type Synced struct {
	At     string // when VolSync had moved them; "" if it has not
	Result string // of the mover, the last time: Successful, Failed
	Log    string // its last words
}

// AwaitSynced waits until VolSync has moved the data of the copies that the trigger was recorded
// for. It writes nothing, and the application runs. Whatever ends it otherwise, the copies are as good
// as they were: the outcome is unsynced.
func (g Group) AwaitSynced(ctx context.Context, o AwaitSyncedOptions) ([]Synced, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	all := make([]handshake.Syncing, len(g))
	found := make([]Synced, len(g))
	ended := make([]*handshake.Decision, len(g))
	begun := false
	reason, err := g.wait(ctx, o.Timeout == 0, groupWait{
		look: Group.lookForSync, lenient: true,
		decide: func(_ context.Context, sts []observation) (bool, string, error) {
			if !begun {
				begun = true
				for i, sync := range handshake.SyncsFor(observed(sts), o.Trigger) {
					all[i].Sync = sync
				}
				for i := range all {
					all[i].Trigger = o.Trigger
				}
			}
			why := make([]string, len(g))
			for i, s := range g {
				if ended[i] == nil {
					why[i] = s.synced(sts[i].observed, &all[i], &ended[i], &found[i])
				}
			}
			why = slices.DeleteFunc(why, func(s string) bool { return s == "" })
			return len(why) == 0, strings.Join(some(why), "; "), nil
		},
	})
	return found, g.together(g.each(func(i int, s Step) error {
		if ended[i] != nil {
			return s.ending(*ended[i])
		}
		return s.unsynced(err, reason, found[i], all[i].Source())
	}))
}

// synced decides about one look. It returns what is being waited for; "" where that has ended.
func (s Step) synced(w handshake.Observed, sy *handshake.Syncing, ended **handshake.Decision, found *Synced) string {
	d := sy.Next(w)
	source := sy.Source()
	if d.Do != handshake.End && source.MoverResult == "Successful" { // of an older sync
		*found = Synced{}
		return s.waitsFor(d)
	}
	found.Result, found.Log = source.MoverResult, source.MoverLog
	if d.Do != handshake.End {
		return s.waitsFor(d)
	}
	*ended = &d
	if d.Outcome == outcome.OK {
		found.At = source.LastSync
		s.Log.Info(s.about(d.Why), "mover", source.MoverResult, "log", source.MoverLog)
	}
	return ""
}

// lookForSync looks at the claims and their ReplicationSources. Of the copies nothing is asked.
func (g Group) lookForSync(ctx context.Context) ([]observation, error) {
	sts, err := g.lookAtClaims(ctx)
	if err != nil {
		return nil, err
	}
	of, err := g.sourcesOf(ctx)
	for i, s := range g {
		sts[i].observed.Sources = of[s.Claim]
	}
	return sts, err
}

// unsynced is the end of a wait that gave up: for time, a signal, an error.
func (s Step) unsynced(err error, reason string, last Synced, of handshake.Source) error {
	var ending *outcome.Ending
	if errors.As(err, &ending) || err == nil {
		return err
	}
	why := fmt.Sprintf("the copy is good, but await-synced gave up: %s", during(err, reason))
	if last.Result == "Failed" && !strings.Contains(why, "last result is Failed") {
		why += "; the mover's last result is Failed"
	}
	who, says := "it", handshake.Move{Kind: handshake.MoveShowSources}
	// While its Job has tries left VolSync tells no result.
	if log := handshake.MoverLog(of); last.Result == "" && log != (handshake.Move{}) {
		who, says = "its mover", log
	}
	return &outcome.Ending{
		Outcome: outcome.Unsynced, Err: err, Why: s.about(why),
		Hint: s.then("VolSync goes on with the same copy; what "+who+" says", says),
	}
}
