package step

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Group is the claims of one run, in the order of their names: one freeze around all their copies.
// Its members share everything but the claim. One claim is a group of one.
type Group []Step

// Members is the group of the claims that the step is about.
func (s Step) Members() Group {
	var g Group
	for _, claim := range slices.Sorted(slices.Values(s.claims())) {
		member := s
		if member.Claim = claim; len(s.Group) > 1 {
			member.Log, member.shared = s.Log.With("pvc", claim), s.Log
		}
		g = append(g, member)
	}
	return g
}

// shared is what the members share. Its messages are about all of them.
func (g Group) shared() Step {
	if len(g) == 1 {
		return g[0]
	}
	s := g[0]
	s.Claim, s.Group, s.Log = "", nil, cmp.Or(s.shared, s.Log)
	for _, member := range g {
		s.Group = append(s.Group, member.Claim)
	}
	return s
}

// each does f for all members at the same time, and returns their errors, in the members' order.
func (g Group) each(f func(i int, s Step) error) []error {
	errs := make([]error, len(g))
	if len(g) == 1 {
		errs[0] = f(0, g[0])
		return errs
	}
	var running sync.WaitGroup
	for i, s := range g {
		running.Go(func() { errs[i] = f(i, s) })
	}
	running.Wait()
	return errs
}

// atOnce is how many requests of a group are under way at the same time. The API server lets more
// of one account wait, and then refuses them.
const atOnce = 64

// requests is each for what is a request or two of each member.
func (g Group) requests(f func(i int, s Step) error) []error { return g.eachOf(atOnce, f) }

// eachOf is each for at most n members at the same time.
func (g Group) eachOf(n int, f func(i int, s Step) error) []error {
	room := make(chan struct{}, n)
	return g.each(func(i int, s Step) error {
		room <- struct{}{}
		defer func() { <-room }()
		return f(i, s)
	})
}

// first is the first error.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// MemberErrors is how the members of a group have ended, where one of them has not ended well.
type MemberErrors struct {
	Errors []error // in the order of the members; nil for one that has ended well
	worst  error
}

func (m *MemberErrors) Error() string { return m.worst.Error() }

// Unwrap returns the ending of the group: that of the worst member, and what the others leave.
func (m *MemberErrors) Unwrap() error { return m.worst }

// errorsOf are the errors of the members that together made one of.
func (g Group) errorsOf(err error) []error {
	if m := (*MemberErrors)(nil); errors.As(err, &m) {
		return m.Errors
	}
	return slices.Repeat([]error{err}, len(g))
}

// another is why a member of a group ends although nothing is wrong with it: one without the others
// is worth nothing.
type another struct{ claim string }

func (a *another) Error() string { return "claim " + a.claim + " of the group has failed" }

// because returns the reason for which the members without an error end: that of the first one
// that has an error of its own. It returns nil if all are well.
func (g Group) because(errs []error) *another {
	for i, err := range errs {
		if why := (*another)(nil); err != nil && !errors.As(err, &why) {
			return &another{g[i].Claim}
		}
	}
	return nil
}

// refuseAll gives the members that are well the ending of a group that was refused.
func (g Group) refuseAll(errs []error) []error {
	why := g.because(errs)
	if why == nil {
		return errs
	}
	all := slices.Clone(errs)
	for i, s := range g {
		if all[i] == nil {
			all[i] = s.refusedFor(why)
		}
	}
	return all
}

// refusedFor is the end of a member on which nothing was fired.
func (s Step) refusedFor(why *another) error {
	return &outcome.Ending{Outcome: outcome.Refused, Err: why, Why: s.about(why.Error())}
}

// recordedAlone is the end of a member whose copy is of the freeze, in a group whose copy is not.
func (s Step) recordedAlone(why *another) error {
	return &outcome.Ending{
		Outcome: outcome.Unverified, Err: why,
		Why:  s.about("VolSync recorded the trigger, but " + why.Error()),
		Hint: "do not restore this copy together with others of the group",
	}
}

// memberEnding is how a member has ended.
type memberEnding struct {
	*outcome.Ending
	claim string
	alone bool // for nothing but another member
}

// together makes one error of those of the members: the worst decides the outcome. What is wrong
// with a member comes first, then what that means for the others. It returns nil if all are well.
func (g Group) together(errs []error) error {
	if len(g) == 1 {
		return errs[0]
	}
	var all []memberEnding
	for i, err := range errs {
		if err != nil {
			why := (*another)(nil)
			all = append(all, memberEnding{endingOf(err), g[i].Claim, errors.As(err, &why)})
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b memberEnding) int { return worseFirst(a.Outcome, b.Outcome) })
	whole := &outcome.Ending{Outcome: all[0].Outcome, Err: errors.Join(errs...)}
	all = slices.DeleteFunc(all, func(e memberEnding) bool {
		return e.alone && e.Left == 0 && (e.Outcome != whole.Outcome || e.Outcome == outcome.Refused)
	})
	slices.SortStableFunc(all, func(a, b memberEnding) int {
		return cmp.Compare(map[bool]int{true: 1}[a.alone], map[bool]int{true: 1}[b.alone])
	})
	var why []string
	for _, e := range all {
		whole.Left |= e.Left
		if !slices.Contains(why, e.Why) {
			why = append(why, e.Why)
		}
	}
	whole.Why, whole.Hint = strings.Join(some(why), "; "), hintsOf(all)
	return &MemberErrors{Errors: errs, worst: whole}
}

func worseFirst(a, b outcome.Outcome) int {
	switch {
	case outcome.Worse(a, b):
		return -1
	case outcome.Worse(b, a):
		return 1
	}
	return 0
}

// hintsOf joins the hints of members. Those that differ in nothing but the claim are one, about all
// of these claims.
func hintsOf(all []memberEnding) string {
	const anyFlag = "--pvc \x00 "
	flag := func(claim string) string { return "--pvc " + claim + " " }
	var hints []string
	flags := map[string]string{}
	for _, e := range all {
		hint := strings.ReplaceAll(e.Hint, flag(e.claim), anyFlag)
		if flags[hint] == "" {
			hints = append(hints, hint)
		}
		flags[hint] += flag(e.claim)
	}
	joined := ""
	for _, hint := range hints {
		joined = joinHints(joined, strings.ReplaceAll(hint, anyFlag, flags[hint]))
	}
	return joined
}

// some are the first few of what there is to say about members, and how many more there are.
func some(said []string) []string {
	const few = 5
	if more := len(said) - few; more > 0 {
		return append(said[:few:few], fmt.Sprintf("and %d more", more))
	}
	return said
}

// observed are what was seen of the members.
func observed(sts []observation) []handshake.Observed {
	var ws []handshake.Observed
	for _, st := range sts {
		ws = append(ws, st.observed)
	}
	return ws
}
