package handshake

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A third search, of cleanups whose steps are commands of their own: the script of a run, and somebody
// beside it, both disarm, unquiesce and unlock, each as slowly as you like. Another run begins when the
// claim is free.

// stepwise is one point of it.
type stepwise struct {
	lock    string
	cleans  [2]uint8 // how far each cleanup is
	another uint8    // how far the other run is
	spoilt  bool     // somebody let the application run in the other run's freeze
}

// The points of a cleanup, and of the other run.
const (
	toDisarm = iota
	toUnquiesce
	toUnlock
	cleaned

	toLock    = 0
	toQuiesce = 1
	hasFrozen = 2
)

// next returns the points after one, by cleanups with these ids. One whose disarm fails unquiesces
// nothing, unless it is blind: then it does what it would have done.
func (s stepwise) next(ids [2]string, blind bool) (all []stepwise) {
	written := func(r interface {
		Next(Observed) (Patch, Decision)
	}) (stepwise, Decision) {
		t, d := scene{lock: s.lock}.writes(r)
		s := s
		s.lock = t.lock
		return s, d
	}
	for i, id := range ids {
		t := s
		switch s.cleans[i] {
		case toDisarm:
			failed := s
			if failed.cleans[i] = cleaned; blind {
				failed.cleans[i] = toUnquiesce
			}
			all = append(all, failed)
			t, _ = written(&Disarming{Run: ourRun, Lock: LockForCleanup, Process: StepwiseCleanup(id)})
			t.cleans[i] = toUnquiesce
			if l := ParseLock(s.lock); l.State != Free && l.Run != ourRun {
				t.cleans[i] = cleaned
			}
		case toUnquiesce:
			t.cleans[i], t.spoilt = toUnlock, s.spoilt || s.another == hasFrozen
		case toUnlock:
			t, _ = written(&Unlocking{Run: ourRun, Off: StepwiseCleanup(id), Own: true})
			t.cleans[i] = cleaned
		case cleaned:
			continue
		}
		all = append(all, t)
	}
	switch s.another {
	case toLock:
		if t, d := written(&Locking{Run: otherRun, Process: "o", Wait: Wait{Since: "then"}}); d.Outcome == outcome.OK {
			t.another = toQuiesce
			all = append(all, t)
		}
	case toQuiesce:
		t := s
		t.another, t.spoilt = hasFrozen, false
		all = append(all, t)
	}
	return all
}

// broken returns how many points there are, and whether at one of them a copy would be taken for good
// that was not cut in its freeze.
func broken(ids [2]string, blind bool) (points int, is bool) {
	start := stepwise{lock: Lock{ourRun, Held, "o"}.String()}
	known, queue := map[stepwise]bool{start: true}, []stepwise{start}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		d := WithLock(Decision{Do: End, Outcome: outcome.OK}, Claim{Lock: ParseLock(s.lock)}, otherRun)
		is = is || s.another == hasFrozen && s.spoilt && d.Outcome == outcome.OK
		for _, t := range s.next(ids, blind) {
			if !known[t] {
				known[t] = true
				queue = append(queue, t)
			}
		}
	}
	return len(known), is
}

// Cleanups with ids of their own end no other run's freeze, whatever their order. Two that share one,
// or have none, may: the first to unlock takes the lock off that the other relies on.
func TestStepwiseCleanups(t *testing.T) {
	for _, c := range []struct {
		name  string
		ids   [2]string
		blind bool
		want  bool
	}{
		{name: "ids of their own", ids: [2]string{"script", "hand"}},
		{name: "one of them has none", ids: [2]string{"script", ""}},
		{name: "ids that differ after a hyphen", ids: [2]string{"pod-1s", "pod-2s"}},
		{name: "the same", ids: [2]string{"pod", "pod"}, want: true},
		{name: "none", ids: [2]string{"", ""}, want: true},
		{name: "unquiesce after a disarm that failed", ids: [2]string{"script", "hand"}, blind: true, want: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			points, is := broken(c.ids, c.blind)
			if is != c.want {
				t.Errorf("among %d points a copy is taken for good wrongly: %t, want %t", points, is, c.want)
			}
		})
	}
}

// An id never looks like a limit, after which a cleanup would be taken for dead.
func TestStepwiseCleanupHasNoLimit(t *testing.T) {
	for _, id := range []string{"", "1s", "pod-5s", "2b8a-0s"} {
		if seconds, limited := OwnerSeconds(StepwiseCleanup(id)); limited {
			t.Errorf("%q has a limit of %d s", id, seconds)
		}
	}
}
