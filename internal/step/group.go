package step

import (
	"context"
	"errors"
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
	s.Claim, s.Group, s.Log = "", nil, s.shared
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

// MemberErrors is how the members of a group have ended, where one of them has not ended well.
type MemberErrors struct {
	Errors []error // in the order of the members; nil for one that has ended well
	worst  error
}

func (m *MemberErrors) Error() string { return m.worst.Error() }

// Unwrap returns the ending of the group: that of the worst member, and what the others leave.
func (m *MemberErrors) Unwrap() error { return m.worst }

// together makes one error of those of the members: the worst decides the outcome, and what is
// left behind is said of each. It returns nil if all are.
func (g Group) together(errs []error) error {
	if len(g) == 1 {
		return errs[0]
	}
	var endings []*outcome.Ending
	for _, err := range errs {
		if err != nil {
			endings = append(endings, endingOf(err))
		}
	}
	if len(endings) == 0 {
		return nil
	}
	slices.SortStableFunc(endings, func(a, b *outcome.Ending) int {
		switch {
		case outcome.Worse(a.Outcome, b.Outcome):
			return -1
		case outcome.Worse(b.Outcome, a.Outcome):
			return 1
		}
		return 0
	})
	worst := *endings[0]
	why, hints := []string{worst.Why}, []string{worst.Hint}
	for _, e := range endings[1:] {
		worst.Left |= e.Left
		if e.Outcome == worst.Outcome || e.Left != 0 {
			why, hints = append(why, e.Why), append(hints, e.Hint)
		}
	}
	worst.Why = strings.Join(why, "; ")
	worst.Hint = ""
	for _, h := range hints {
		worst.Hint = joinHints(worst.Hint, h)
	}
	worst.Err = errors.Join(errs...)
	return &MemberErrors{Errors: errs, worst: &worst}
}

// worlds are what was seen of the members.
func worlds(sts []state) []handshake.World {
	var ws []handshake.World
	for _, st := range sts {
		ws = append(ws, st.world)
	}
	return ws
}

// looks are looks at all members at the same time.
func (g Group) looks(
	ctx context.Context, look func(ctx context.Context, s Step) (state, error),
) ([]state, error) {
	sts := make([]state, len(g))
	errs := g.each(func(i int, s Step) (err error) {
		sts[i], err = look(ctx, s)
		return err
	})
	for _, err := range errs {
		if err != nil {
			return sts, err
		}
	}
	return sts, nil
}
