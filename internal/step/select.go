package step

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Purpose is what the claims are selected for. It says which are meant, and what may be left where
// that cannot be found out.
type Purpose uint8

// The purposes.
const (
	ToLook    Purpose = iota // nothing is written: all that match
	ToBegin                  // await-waiting, run
	ToFire                   // the members of a run: fire-trigger, also before a wait
	ToAwait                  // the same, when they are fired
	ToDisarm                 // what a run has left
	ToUnlock                 // likewise
	ToCleanUp                // likewise
)

// SelectOptions are those of [Step.Select].
type SelectOptions struct {
	Selector string
	Purpose  Purpose
	Run      string            // "" with ToLook
	Trigger  handshake.Trigger // with ToFire and ToAwait
	State    string            // the file of a run, which may know
	Timeout  time.Duration     // 0 looks once
}

// Select returns the step on the claims with the labels, found at this moment. A run does so once: its
// later steps mean those that it has locked.
func (s Step) Select(ctx context.Context, o SelectOptions) (Step, error) {
	s.Selector = o.Selector
	selector, err := labels.Parse(o.Selector)
	if err != nil {
		return s, s.unfired(err, "")
	}
	if lost, found := readLocked(o.State, o.Run); found && lost.Namespace == s.Namespace {
		return s.on(lost.Claims), nil
	}
	all, err := s.selectable(ctx, selector, o)
	if err != nil {
		return s, s.notSelected(err, o)
	}
	if o.Purpose == ToFire || o.Purpose == ToAwait {
		return s.selectLocked(all, o)
	}
	names := handshake.Select(all, o.Run)
	if len(names) == 0 {
		return s, s.refusedUnselected("no claim has these labels",
			s.then("check the selector and --namespace; what is there", handshake.Move{Kind: handshake.MoveShowClaims}))
	}
	return s.on(names), nil
}

// on is the step on these claims.
func (s Step) on(claims []string) Step {
	if s.Group = claims; len(claims) == 1 {
		s.Claim, s.Log = claims[0], s.Log.With("pvc", claims[0])
		return s
	}
	s.Log.Info(fmt.Sprintf("%d claims have the labels %s: %s", len(claims), s.Selector, strings.Join(claims, ", ")))
	return s
}

// selectLocked is Select in the middle of a run.
func (s Step) selectLocked(all []handshake.Selectable, o SelectOptions) (Step, error) {
	names, joined, left := handshake.SelectLocked(all, o.Trigger)
	switch {
	case len(names) == 0:
		return s, s.refusedUnselected("run "+o.Run+" has locked no claim, and its trigger is on none",
			"run await-waiting first; if it was run, somebody has ended the run since")
	case len(joined) > 0 && o.Purpose == ToFire:
		return s, s.refusedUnselected("claim "+strings.Join(some(joined), ", ")+" has joined since await-waiting, "+
			"which has not locked it: it would not be copied", "unquiesce, unlock, and start another run")
	}
	s.warnOfOthers(joined, left)
	return s.on(names), nil
}

// warnOfOthers says which claims have joined or left since the run began.
func (s Step) warnOfOthers(joined, left []string) {
	names := func(claims []string) string { return strings.Join(some(claims), ", ") }
	if len(joined) > 0 {
		s.Log.Warn(s.about("claim " + names(joined) + " has joined since the run began, and is not copied by it"))
	}
	if len(left) > 0 {
		s.Log.Warn(s.about("claim " + names(left) + " has left since the run began, which goes on with it"))
	}
}

func (s Step) refusedUnselected(why, hint string) error {
	s.Group, s.Claim = nil, ""
	return &outcome.Ending{Outcome: outcome.Refused, Why: s.about(why), Hint: hint}
}

// selectable are the claims of the namespace. For a run all are read: it may have left something on
// one that has other labels now. The first look is made in spite of a signal, because an earlier
// attempt of the run may have left the application quiesced.
func (s Step) selectable(
	ctx context.Context, selector labels.Selector, o SelectOptions,
) (all []handshake.Selectable, err error) {
	list := func(ctx context.Context) error {
		asked := ""
		if o.Run == "" {
			asked = o.Selector
		}
		claims, err := s.Claims.List(ctx, asked)
		all = nil
		for _, c := range claims {
			all = append(all, handshake.Selectable{
				Name: c.Name, Matches: selector.Matches(labels.Set(c.Labels)), Claim: readClaim(c),
			})
		}
		return err
	}
	first, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	err = list(first)
	cancel()
	if err == nil || o.Timeout == 0 {
		return all, err
	}
	if o.Purpose == ToCleanUp {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel = limit(ctx, o.Timeout)
	defer cancel()
	passes := kube.Passing
	switch o.Purpose {
	case ToAwait:
		passes = lenient
	case ToDisarm, ToUnlock, ToCleanUp:
		passes = passesInCleanup(false)
	}
	return all, s.persist(ctx, passes, list)
}

// notSelected is the end of a step that does not know its claims.
func (s Step) notSelected(err error, o SelectOptions) error {
	switch o.Purpose {
	case ToAwait, ToDisarm:
		return s.undecided(err, o.Run)
	case ToCleanUp:
		return s.notKnownWhose(o.Run, err)
	case ToUnlock:
		ending := *endingOf(s.unfired(err, ""))
		return s.left(outcome.LeftLocked, o.Run, &ending)
	}
	return s.unfired(err, "")
}

// stillSelected refuses a group whose labels others have now than when the run began: nothing is
// frozen yet.
func (g Group) stillSelected(ctx context.Context, once bool) error {
	s := g.shared()
	if s.Selector == "" {
		return nil
	}
	joined, left, err := s.othersSelected(ctx, unless(once))
	switch {
	case err != nil:
		return err
	case len(joined) > 0:
		return s.refusedUnselected("claim "+strings.Join(some(joined), ", ")+" has joined since the run began",
			"nothing is frozen; start another run, which takes it, too")
	case len(left) > 0:
		return s.refusedUnselected("claim "+strings.Join(some(left), ", ")+" has left since the run began",
			"nothing is frozen; start another run without it")
	}
	return nil
}

// othersSelected returns the claims that have joined those with the labels since the run began, and
// those that have left them.
func (s Step) othersSelected(ctx context.Context, passes func(error) bool) (joined, left []string, err error) {
	var now []string
	err = s.persist(ctx, passes, func(ctx context.Context) error {
		all, err := s.Claims.List(ctx, s.Selector)
		now = nil
		for _, c := range all {
			now = append(now, c.Name)
		}
		return err
	})
	return without(now, s.claims()), without(s.claims(), now), err
}

// sayWhoJoined says, when a run is over, which claims have joined or left while it froze the
// application. They are no part of what was frozen.
func (s Step) sayWhoJoined(ctx context.Context) {
	if s.Selector == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookLimit)
	defer cancel()
	if joined, left, err := s.othersSelected(ctx, kube.Passing); err == nil {
		s.warnOfOthers(joined, left)
	}
}

// without are the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}
