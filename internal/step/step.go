// Package step has the commands, a file each: it brings together what the flags ask, what the
// cluster says and what the protocol allows. Options go in, types come out.
package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/events"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// Claims is what a step asks of a claim; [pvc.Claims] is it.
type Claims interface {
	Get(ctx context.Context, name string) (pvc.Claim, error)
	List(ctx context.Context, selector string) ([]pvc.Claim, error)
	Follow(ctx context.Context, name string, changed func(), trouble kube.Trouble) error
	Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (pvc.Claim, error)
	MayAnnotate(ctx context.Context, name string, values map[string]string) (pvc.Claim, error)
}

// VolSync is what a step asks of VolSync's objects; volsync.Objects is it.
type VolSync interface {
	Sources(ctx context.Context) ([]handshake.Source, error)
	SourcesNotOlder(ctx context.Context) ([]handshake.Source, error)
	FollowSources(ctx context.Context, changed func(claim string), trouble kube.Trouble) error
	Copy(ctx context.Context, s handshake.Source) (*handshake.Copy, error)
	FollowCopy(ctx context.Context, s handshake.Source, changed func(), trouble kube.Trouble) error
	SetManual(ctx context.Context, to handshake.Source) (handshake.Source, error)
}

// Pods is what a step asks of pods; [pods.Pods] is it.
type Pods interface {
	NotEnded(ctx context.Context, selector string) ([]pods.Pod, error)
	FollowNotEnded(ctx context.Context, selector string, changed func(), trouble kube.Trouble) error
}

// Events tells of claims in Kubernetes Events; [events.Recorder] is it. It never waits.
type Events interface{ Tell(e events.Event) }

// Step is what the commands share: the cluster, the claim, and where to say what happens.
type Step struct {
	Claims    Claims
	VolSync   VolSync // not asked with ClaimOnly
	Pods      Pods
	Events    Events // nil: nothing is told
	ClaimOnly bool   // ReplicationSources and copies may not be read
	Namespace string
	Claim     string       // "" for a command that is not about a claim, and for what a group shares
	Group     []string     // its claims, in what a group shares
	Selector  string       // the labels of the claims, where these are not named
	Process   string       // names this process among those of its run; of letters and digits
	Cluster   []string     // the flags that name the cluster, for the commands of hints
	Log       *slog.Logger // progress and reasons; never results

	shared *slog.Logger // of a member of a group: that of all of them
}

// subject names in messages what the step is about.
func (s Step) subject() string {
	const some = 5
	switch n := len(s.Group); {
	case s.Claim != "":
		return "PVC " + s.Namespace + "/" + s.Claim
	case n == 0 && s.Selector != "":
		return fmt.Sprintf("PVCs of namespace %s with labels %s", s.Namespace, s.Selector)
	case n == 0:
		return "namespace " + s.Namespace
	case n > some:
		return fmt.Sprintf("%d PVCs of namespace %s (%s …)", n, s.Namespace, strings.Join(s.Group[:some], ", "))
	}
	return "PVCs " + s.Namespace + "/" + strings.Join(s.Group, ", "+s.Namespace+"/")
}

// ending makes a protocol decision the end of the step.
func (s Step) ending(d handshake.Decision) error {
	if d.Outcome == outcome.OK {
		return nil
	}
	return &outcome.Ending{Outcome: d.Outcome, Why: s.about(d.Why), Hint: s.hint(d)}
}

// The limits of what a step does without being asked how long it may take. A pod has 30 s
// between SIGTERM and SIGKILL, and all that a step does after a signal fits into them: a
// write that is under way, and then giving the trigger back (TestLimitsFitIntoAPodsGrace).
const (
	onceLimit      = 10 * time.Second // one look of a step that was told not to wait (a limit of 0)
	writeLimit     = 10 * time.Second // one write, which a signal does not interrupt
	giveBackLimit  = 15 * time.Second // giving back a trigger when a step gives up
	fireLimit      = 30 * time.Second // firing where the same process then waits: the application is frozen
	disarmLimit    = 20 * time.Second // a disarm in one process with the rest of a cleanup
	unlockLimit    = 20 * time.Second // an unlock, likewise
	graceInCleanup = 10 * time.Second // for a refusal in a cleanup; then it is believed
	cutLimit       = 2 * time.Second  // the last look for the time of the cut, which the application pays for
	proofLimit     = 4 * time.Second  // for the copy to prove a record, with the application frozen
	lookLimit      = 5 * time.Second  // a look that must not keep a run from beginning
	shortLimit     = 2 * time.Second  // a look that must not keep the application quiesced
)

// limit is a context with the step's time limit.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, cmp.Or(d, onceLimit), timeUp{d})
}

// uninterrupted is a context for a write that no signal interrupts: that would leave open whether it is done.
func uninterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
}

// afterwards is a context for what must still be done when ctx has ended.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), giveBackLimit, timeUp{giveBackLimit})
}

// persist repeats f as long as its errors may pass and ctx lasts. If ctx has ended, its error
// says why, and what was wrong until then.
func (s Step) persist(ctx context.Context, passes func(error) bool, f func(context.Context) error) error {
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

// unless returns which errors pass for a step that looks only once, or does not.
func unless(once bool) func(error) bool {
	return func(err error) bool { return !once && kube.Passing(err) }
}

// lenient is for an account that had the right a moment ago: a refusal, too, may pass.
func lenient(err error) bool { return kube.Passing(err) || kube.IsDenied(err) }

// timeUp is the cause of a context whose time limit passed.
type timeUp struct{ after time.Duration }

func (t timeUp) Error() string {
	if t.after == 0 {
		return "not at the first look, and --timeout 0 allows no other,"
	}
	return fmt.Sprintf("timed out after %s", t.after)
}
