// Package step has the commands, one file each: it brings together what the flags ask,
// what the cluster says and what the protocol allows.
package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/result"
)

// Claims is what a step asks of a claim; [pvc.Claims] is it.
type Claims interface {
	Get(ctx context.Context, name string) (pvc.Claim, error)
	Follow(ctx context.Context, name string, changed func(), trouble kube.Trouble) error
	Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (pvc.Claim, error)
	MayAnnotate(ctx context.Context, name string) error
}

// VolSync is what a step asks of VolSync's objects; volsync.Objects is it.
type VolSync interface {
	Sources(ctx context.Context, claim string) ([]handshake.Source, error)
	FollowSources(ctx context.Context, changed func(), trouble kube.Trouble) error
	Copy(ctx context.Context, s handshake.Source) (*handshake.Copy, error)
	FollowCopy(ctx context.Context, s handshake.Source, changed func(), trouble kube.Trouble) error
}

// Pods is what a step asks of pods; [pods.Pods] is it.
type Pods interface {
	NotEnded(ctx context.Context, selector string) ([]pods.Pod, error)
	FollowNotEnded(ctx context.Context, selector string, changed func(), trouble kube.Trouble) error
}

// Step is everything that the commands share.
type Step struct {
	Claims    Claims
	VolSync   VolSync // not asked with ClaimOnly
	Pods      Pods
	ClaimOnly bool
	Lock      bool // the run locks the claim from before quiesce until after unquiesce
	UntilCut  bool // the application is to run again at the cut; needs copyMethod Snapshot
	Namespace string
	Claim     string       // "" for a command that is not about a claim
	After     string       // the file with the exit code of quiesce, without whose 0 nothing is fired; "" for none
	Log       *slog.Logger // progress and reasons; never results
	Times     *Timeline    // of a run in one process; nil where nobody asks
}

// subject names in messages what the step is about.
func (s Step) subject() string {
	if s.Claim == "" {
		return "namespace " + s.Namespace
	}
	return "PVC " + s.Namespace + "/" + s.Claim
}

// ending makes a protocol decision the end of the step.
func (s Step) ending(d handshake.Decision) error {
	if d.Outcome == outcome.OK {
		return nil
	}
	return &outcome.Ending{Outcome: d.Outcome, Why: s.subject() + ": " + d.Why, Hint: d.Hint}
}

// values starts the results of a step.
func (s Step) values() result.Values {
	var v result.Values
	v.Set("outcome", string(outcome.OK))
	v.Set("reason", "") // why it did not end well
	if s.Claim != "" {
		v.Set("pvc", s.Namespace+"/"+s.Claim)
	}
	if s.ClaimOnly {
		v.Set("unchecked", "replication-source, copy") // so that nobody takes this for the whole promise
	}
	return v
}

// timestamp is how results write a time: RFC 3339 in UTC, to the millisecond.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// onceLimit bounds a step that was told not to wait (a limit of 0): one try, but not
// one that hangs.
const onceLimit = 10 * time.Second

// limit is a context with the step's time limit.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, cmp.Or(d, onceLimit), timeUp{d})
}

// persist repeats f as long as its errors may pass and ctx lasts; once: not at all. If ctx
// has ended, its error says why, and what was wrong until then.
func (s Step) persist(ctx context.Context, once bool, f func(context.Context) error) error {
	return s.persistIf(ctx, func(err error) bool { return !once && kube.Passing(err) }, f)
}

func (s Step) persistIf(ctx context.Context, passes func(error) bool, f func(context.Context) error) error {
	err := kube.Retry(ctx, func(err error) bool {
		again := passes(err)
		if again {
			s.Log.Info("trying again: " + err.Error())
		}
		return again
	}, f)
	var ending *outcome.Ending
	if err == nil || ctx.Err() == nil || errors.As(err, &ending) || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// timeUp is the cause of a context whose time limit passed.
type timeUp struct{ after time.Duration }

func (t timeUp) Error() string {
	if t.after == 0 {
		return "not at the first look, and --timeout 0 allows no other,"
	}
	return fmt.Sprintf("timed out after %s", t.after)
}
