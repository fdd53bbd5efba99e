package handshake

import "slices"

// A run whose claims are selected by labels finds them once, when it begins. From then on its claims
// are those that it has locked, whatever labels they have.

// Selectable is a claim of the namespace.
type Selectable struct {
	Name    string
	Matches bool // it has the labels
	Claim   Claim
}

// Select returns the claims that a command of a run is about which begins it, or cleans it up. If the
// run has left something on any, these are meant, and those that nobody has locked: a write of the
// run's lock may still be under way to them. Otherwise all are meant that match, so that another
// run's lock on one of them is met.
func Select(all []Selectable, run string) []string {
	if run == "" {
		return namesOf(all, func(s Selectable) bool { return s.Matches })
	}
	left := func(s Selectable) bool { return HasEarlierAttempt(s.Claim, run) }
	begun := slices.ContainsFunc(all, left)
	return namesOf(all, func(s Selectable) bool {
		return left(s) || s.Matches && (!begun || s.Claim.Lock.State == Free)
	})
}

// SelectLocked returns the claims that a step in the middle of a run is about: those that await-waiting
// has locked for it, or that have its trigger, when their locks are gone. The others that match have
// joined since; those that do not match any more have left.
func SelectLocked(all []Selectable, t Trigger) (names, joined, left []string) {
	ours := func(s Selectable) bool {
		return s.Claim.Lock.Of(t.run) || s.Claim.Trigger == t.String() || s.Claim.Latest == t.String()
	}
	return namesOf(all, ours),
		namesOf(all, func(s Selectable) bool { return s.Matches && !ours(s) }),
		namesOf(all, func(s Selectable) bool { return !s.Matches && ours(s) })
}

func namesOf(all []Selectable, is func(Selectable) bool) []string {
	var names []string
	for _, s := range all {
		if is(s) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}
