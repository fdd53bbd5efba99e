package handshake

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A second search, of the lock alone: two runs on one claim, and up to two cleanups of the first,
// by hand or by an engine, while it lives or after its end. What unquiesces does so whatever the
// freeze is whose end it is, may be slow, may fail, and may be killed. VolSync copies at any time;
// of it only what a run needs is told: a copy for a run is good if the application was quiesced
// from the end of its quiesce to the record.
//
// What is taken for true, because no lock can see to it (docs/reliability.md):
//
//   - Between its look at the lock and the start of the attempt no process is stopped for longer
//     than its limit, and no attempt takes longer than that: [expires] is for ended processes only.
//   - Whoever unlocks by hand, with the disarm and unlock of a cleanup of their own, does so when
//     no attempt of the run is under way, and no run lives that cannot reach the API server.

// part is what a process of the search does.
type part uint8

const (
	atAbsent     part = iota
	atLocks           // is about to lock
	atQuiesces        // is about to quiesce
	atCopies          // has quiesced, and waits for the copy
	atLets            // is about to look whether it may unquiesce
	atAttempts        // its unquiesce is under way
	atUnlocks         // is about to take itself off
	atWaitsFor        // a cleanup that waits for the end of others
	atDisarms         // is about to put itself on
	atEnded           // with the application running, as far as it knows
	atGone            // was killed, or gave up with the application as it is, and said so
	atRefused         // atEnded before it quiesced
	atByHand          // unquiesces by hand
	atByHandDone      // and atUnlocks
)

const (
	runA = iota
	runB
	firstCleanup
	secondCleanup
	hand
	processes
)

// actor is a process.
type actor struct {
	does  part
	tried bool   // to unquiesce, at least once
	seen  string // owners that were there when it put itself on
	ok    bool   // it has taken its copy for good
}

// scene is one point of the second search.
type scene struct {
	lock   string
	frozen uint8 // who quiesced it, runA+1 or runB+1; 0: it runs
	spoilt bool  // somebody let the application run while B waited for its copy
	broke  bool  // and while A did
	actors [processes]actor
	kills  uint8
	fails  uint8
}

// scenes is a configuration of the second search: which guards are off.
type scenes struct {
	kills, fails uint8
	byHand       bool
	unread       bool // a run that cannot read the lock tries once, although somebody unlocks by hand
	anyOwner     bool // a run's unlock takes the whole lock off
	lookOnce     bool // the lock is looked at before the first attempt only
	blind        bool // a cleanup that cannot read the lock unquiesces
	noWait       bool // a cleanup does not wait for the others, but takes them off
	endsEarly    bool // who gives up says so with an attempt under way
	trusts       bool // a cleanup takes off who gave up after its own unquiesce
	stays        bool // the run's own takes itself off when it gives up
}

func owner(i int) string { return fmt.Sprint("o", i) }

func runOf(i int) string {
	if i == runB {
		return otherRun
	}
	return ourRun
}

func (m scenes) next(s scene, do func(label string, t scene)) {
	for i := range s.actors {
		m.act(s, i, do)
		m.dies(s, i, do)
	}
}

func (m scenes) dies(s scene, i int, do func(string, scene)) {
	switch s.actors[i].does {
	case atLocks, atQuiesces, atCopies, atLets, atAttempts, atUnlocks, atWaitsFor:
		if s.kills < m.kills && i != runB {
			t := s
			t.kills++
			t.actors[i].does = atGone
			do(actorName(i)+" is killed", t)
		}
	}
}

func actorName(i int) string {
	return []string{"run A", "run B", "cleanup 1 of A", "cleanup 2 of A", "somebody"}[i]
}

// writes is one look and what the reducer writes after it: by compare-and-swap they are one.
func (s scene) writes(r interface {
	Next(Observed) (Patch, Decision)
}) (scene, Decision) {
	p, d := r.Next(Observed{Claim: Claim{Enabled: true, Status: StatusWaiting, Since: "then", Lock: ParseLock(s.lock)}})
	if p.SetLock {
		s.lock = p.To.Lock.String()
	}
	return s, d
}

func (m scenes) act(s scene, i int, do func(string, scene)) {
	a := s.actors[i]
	to := func(label string, t scene, p part) {
		t.actors[i].does = p
		do(actorName(i)+" "+label, t)
	}
	switch a.does {
	case atAbsent:
		m.comes(s, i, to)
	case atLocks:
		t, d := s.writes(&Locking{Run: runOf(i), Process: owner(i), Wait: Wait{Since: "then"}})
		switch {
		case d.Outcome == outcome.OK:
			to("locks", t, atQuiesces)
		case d.Do == End:
			to("is refused", t, atRefused)
		}
	case atQuiesces:
		t := s
		t.frozen = uint8(i + 1)
		if i == runA {
			t.broke = false
		} else {
			t.spoilt = false
		}
		to("QUIESCES", t, atCopies)
	case atCopies:
		m.copied(s, i, to)
	case atDisarms:
		t, _ := s.writes(&Disarming{Run: ourRun, Lock: LockForCleanup, Process: m.process(i)})
		switch before := ParseLock(s.lock); {
		case before.State != Free && before.Run != ourRun:
			to("leaves the other run alone", s, atEnded)
		case i == hand:
			to("disarms by hand", t, atByHand)
		default:
			t.actors[i].seen = before.Owners
			to("disarms", t, atLets)
		}
		if m.blind && i >= firstCleanup && i != hand {
			to("cannot read the lock", s, atAttempts)
		}
	case atLets:
		m.looks(s, i, to)
	case atAttempts:
		m.attempt(s, i, to)
	case atUnlocks:
		m.unlock(s, i, to)
	case atWaitsFor:
		m.waits(s, i, to)
	case atByHand:
		if s.actors[runA].does != atAttempts && !m.cleaning(s) {
			to("lets the application run by hand", s.thawed(), atByHandDone)
		}
	case atByHandDone:
		if s.actors[runA].does != atAttempts && !m.cleaning(s) {
			t, _ := s.writes(&Unlocking{Run: ourRun, Off: StepwiseCleanup(""), Own: true})
			to("unlocks by hand", t, atEnded)
		}
	}
}

func (m scenes) process(i int) string {
	if i == hand {
		return StepwiseCleanup("")
	}
	return owner(i)
}

// cleaning reports whether a cleanup has an attempt under way.
func (m scenes) cleaning(s scene) bool {
	return s.actors[firstCleanup].does == atAttempts || s.actors[secondCleanup].does == atAttempts
}

// comes is how a process begins.
func (m scenes) comes(s scene, i int, to func(string, scene, part)) {
	switch i {
	case runA, runB:
		to("begins", s, atLocks)
	case secondCleanup:
		if s.actors[firstCleanup].does != atAbsent {
			to("begins", s, atDisarms)
		}
	case hand:
		if m.byHand {
			to("begins", s, atDisarms)
		}
	default:
		to("begins", s, atDisarms)
	}
}

func (m scenes) copied(s scene, i int, to func(string, scene, part)) {
	d := WithLock(Decision{Do: End, Outcome: outcome.OK}, Claim{Lock: ParseLock(s.lock)}, runOf(i))
	if d.Outcome == outcome.OK {
		t := s
		t.actors[i].ok = true
		to("takes its copy for GOOD", t, atLets)
	}
	t, _ := s.writes(&Disarming{Run: runOf(i), Lock: LockLost})
	to("gives up", t, atLets)
	to("gives up, and cannot reach the API server", s, atLets)
}

// looks is what comes before an attempt. A run that cannot read the lock tries once: it had it a
// moment ago.
func (m scenes) looks(s scene, i int, to func(string, scene, part)) {
	a := s.actors[i]
	t, d := s.writes(&Unquiescing{Run: runOf(i), Process: owner(i)})
	t.actors[i].tried, s.actors[i].tried = true, true
	switch {
	case m.lookOnce && a.tried:
		to("begins to unquiesce", s, atAttempts)
	case d.Outcome == outcome.OK:
		to("begins to unquiesce", t, atAttempts)
	default:
		to("leaves the application alone", s, atGone)
	}
	if i <= runB && !a.tried && (!m.byHand || m.unread) {
		to("cannot read the lock, and begins to unquiesce", s, atAttempts)
	}
}

func (s scene) thawed() scene {
	s.frozen = 0
	s.spoilt, s.broke = s.spoilt || s.actors[runB].does == atCopies, s.broke || s.actors[runA].does == atCopies
	return s
}

func (m scenes) attempt(s scene, i int, to func(string, scene, part)) {
	to("UNQUIESCES", s.thawed(), atUnlocks)
	if s.fails < m.fails {
		t := s
		t.fails++
		to("fails to unquiesce", t, atLets)
		t, _ = t.writes(m.givesUp(i))
		to("fails to unquiesce, gives up, and says so", t, atGone)
	}
	if t, _ := s.writes(m.givesUp(i)); m.endsEarly && t.lock != s.lock {
		to("gives up too early", t, atAttempts)
	}
}

// givesUp is the last write of one that could not let the application run.
func (m scenes) givesUp(i int) interface {
	Next(Observed) (Patch, Decision)
} {
	if m.stays {
		return &Unlocking{Run: runOf(i), Off: owner(i)}
	}
	return &EndingOwner{Run: runOf(i), Process: owner(i)}
}

func (m scenes) unlock(s scene, i int, to func(string, scene, part)) {
	u := &Unlocking{Run: runOf(i), Off: owner(i)}
	if m.anyOwner {
		u.Off, u.Own = ParseLock(s.lock).Owners, true
	}
	t, _ := s.writes(u)
	switch a := s.actors[i]; {
	case i <= runB, a.seen == "":
		to("takes itself off", t, atEnded)
	default:
		to("takes itself off", t, atWaitsFor)
	}
}

// waits is a cleanup that waits for the end of those that were owners before it. Its limit passes
// only when each of them has ended: an owner has one of its own.
func (m scenes) waits(s scene, i int, to func(string, scene, part)) {
	a, l := s.actors[i], ParseLock(s.lock)
	left := slices.ContainsFunc(strings.Split(a.seen, "/"), func(o string) bool {
		return l.Of(ourRun) && l.Has(o) && !OwnerHasEnded(o)
	})
	gaveUp := slices.ContainsFunc(strings.Split(a.seen, "/"), func(o string) bool {
		return l.Of(ourRun) && l.Has(EndedOwner(o)) && !OwnerHasEnded(o)
	})
	if !left && gaveUp && !m.trusts {
		to("leaves the claim locked, for the run may have quiesced after it, and says so", s, atGone)
		return
	}
	if !left {
		t, _ := s.writes(&Unlocking{Run: ourRun, Off: a.seen})
		if m.trusts {
			t, _ = t.writes(&Unlocking{Run: ourRun, Own: true})
		}
		to("has waited for the others", t, atEnded)
		return
	}
	if m.expired(s, a.seen) || m.noWait {
		t, _ := s.writes(&Unlocking{Run: ourRun, Off: a.seen})
		to("takes the others for dead", t, atEnded)
	}
}

func (m scenes) expired(s scene, owners string) bool {
	for _, o := range strings.Split(owners, "/") {
		for i, a := range s.actors {
			if m.process(i) == o && !a.over() && a.does != atWaitsFor {
				return false
			}
		}
	}
	return true
}

// over reports whether the process has ended.
func (a actor) over() bool { return a.does == atEnded || a.does == atGone || a.does == atRefused }

// wrong says which promise the step from s to t breaks.
func (m scenes) wrong(s, t scene) string {
	for i, spoilt := range map[int]bool{runA: t.broke, runB: t.spoilt} {
		if t.actors[i].ok && !s.actors[i].ok && spoilt {
			return "P1: " + actorName(i) + " takes a copy for good that was not cut in its freeze"
		}
	}
	return ""
}

// left says what is left behind when all has ended and one more cleanup of each run has come.
func (m scenes) left(s scene) string {
	for i := range s.actors {
		if a := s.actors[i]; a.does != atAbsent && !a.over() {
			return ""
		}
	}
	if s.frozen != 0 && s.lock == "" && !m.byHand && s.kills == 0 {
		return "P2: the application stays quiesced, and no lock says so"
	}
	for _, run := range []string{ourRun, otherRun} {
		l := ParseLock(s.lock)
		if l.State != Free && l.Run != run {
			continue
		}
		s, _ = s.writes(&Disarming{Run: run, Lock: LockForCleanup, Process: "last"})
		var d Decision
		s, d = s.writes(&Unquiescing{Run: run, Process: "last"})
		if d.Outcome == outcome.OK {
			s.frozen = 0
		}
		s, _ = s.writes(&Unlocking{Run: run, Off: "last"})
		s, _ = s.writes(&Unlocking{Run: run, Off: l.Owners})
	}
	switch {
	case s.frozen != 0:
		return "P2: the application stays quiesced"
	case s.lock != "":
		return "P2: the claim stays locked: " + s.lock
	}
	return ""
}

func (m scenes) search() (states, good int, v *violation) {
	parents := map[scene]scene{}
	labels := map[scene]string{}
	start := scene{}
	queue := []scene{start}
	parents[start] = start
	trace := func(s scene, last string) []string {
		steps := []string{last}
		for s != start {
			steps, s = append(steps, labels[s]), parents[s]
		}
		slices.Reverse(steps)
		return steps
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if s.actors[runB].ok {
			good++
		}
		if what := m.left(s); what != "" {
			return len(parents), good, &violation{what, trace(s, "all have ended")}
		}
		m.next(s, func(label string, t scene) {
			if what := m.wrong(s, t); what != "" && v == nil {
				v = &violation{what, trace(s, label)}
			}
			if _, known := parents[t]; !known {
				parents[t], labels[t] = s, label
				queue = append(queue, t)
			}
		})
		if v != nil {
			return len(parents), good, v
		}
	}
	return len(parents), good, nil
}

// TestOwners searches all orders of two runs and the cleanups of one of them.
func TestOwners(t *testing.T) {
	for _, c := range []struct {
		name string
		long bool
		m    scenes
	}{
		{"a kill", false, scenes{kills: 1, fails: 1}},
		{"kills and failures", true, scenes{kills: 2, fails: 2}},
		{"by hand", false, scenes{fails: 1, byHand: true}},
		{"a kill, and by hand", true, scenes{kills: 1, fails: 1, byHand: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.long && (testing.Short() || underRace) {
				t.Skip("long; make unit runs it without the race detector")
			}
			t.Parallel()
			states, good, v := c.m.search()
			t.Logf("%d states", states)
			if v != nil {
				t.Errorf("%s:\n%s", v.what, v)
			}
			if good == 0 {
				t.Error("the second run never ends well: the search shows nothing")
			}
		})
	}
}

// A run tries to unquiesce once where it cannot read the lock: a cleanup waits until it has ended.
// Anyone who unlocks by hand meanwhile says that the application runs, and must know that the run is dead.
func TestUnlockByHandRestsOnADeadRun(t *testing.T) {
	if _, _, v := (scenes{byHand: true, unread: true}).search(); v == nil {
		t.Error("it breaks no promise any more: say so in the docs")
	}
}

// Each rule of the lock, taken away, breaks a promise.
func TestOwnersGuards(t *testing.T) {
	for name, m := range map[string]scenes{
		"a run takes the lock of its cleanup off":        {anyOwner: true},
		"the lock is looked at before the first attempt": {lookOnce: true, fails: 1, byHand: true},
		"a cleanup that cannot read the lock unquiesces": {blind: true},
		"a cleanup waits for nobody":                     {noWait: true},
		"who gives up says so too early":                 {endsEarly: true},
		"a run that gives up takes itself off":           {stays: true, fails: 1},
		"who gave up after a cleanup is taken off by it": {trusts: true, fails: 1},
	} {
		t.Run(name, func(t *testing.T) {
			states, _, v := m.search()
			if v == nil {
				t.Fatalf("none of %d states breaks a promise", states)
			}
			t.Logf("after %d states, %s:\n%s", states, v.what, v)
		})
	}
}
