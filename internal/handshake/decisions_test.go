package handshake

import (
	"fmt"
	"slices"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Between the search's small numbers and the package's own words: every decision of the
// run is taken by the functions that the steps call.

// question is everything that a decision depends on; so it is decided once.
type question struct {
	step
	world world
	tok   value
	seen  seen
	uid   uint8 // of the copy that was cut
}

type step uint8

const (
	awaitStep step = iota
	completedStep
	recordedStep
	cutStep
	verifiedStep
	beforeStep // whether there was an earlier attempt of the run
)

type world struct {
	claim            facts
	source, sync     uint8
	ended            uint8
	second           bool
	copied, deleting bool
	orphan, cut      bool
	uid              uint8 // with model.untilCut
}

// looked is a look of a reducer.
type looked struct {
	reducer uint16
	world   world
}

type answer struct {
	do    Do
	end   end
	value value // to write; or the trigger that await-waiting gives
	seen  seen  // after it
}

// world is what the run sees: the claim as it read it first, the rest as it is.
func (s state) world() world {
	w := world{
		claim:    s.run.read,
		source:   s.source,
		sync:     s.sync,
		copied:   s.copy.there,
		deleting: s.copy.there && (s.copy.deleting || s.copy.orphan),
		ended:    s.ended,
		second:   s.second,
		orphan:   s.copy.orphan,
		cut:      s.copy.cut != uncut,
	}
	if w.uid = s.copy.uid; w.uid != 0 {
		w.deleting = s.copy.deleting
	}
	return w
}

// decide asks the package.
func (m *model) decide(q question) answer {
	a, ok := m.known[q]
	if ok {
		return a
	}
	w := m.seen(q.world)
	var d Decision
	switch q.step {
	case awaitStep:
		d = Await(w, runID)
	case beforeStep:
		if d = (Decision{Do: End, Outcome: outcome.OK}); HasEarlierAttempt(w.Claim, runID) {
			d.Outcome = outcome.Tainted
		}
	case completedStep, recordedStep, cutStep, verifiedStep:
		was := m.seenBefore(q.seen)
		switch q.step {
		case completedStep:
			d = m.guarded(Completed(w.Claim, m.trigger(q.tok), was), w)
		case recordedStep:
			d = m.guarded(Recorded(w, m.trigger(q.tok), was), w)
		case cutStep:
			d = m.guarded(Cut(w, m.trigger(q.tok), was), w)
		case verifiedStep:
			if d = Completed(w.Claim, m.trigger(q.tok), was); !m.anyCopy {
				d = Verified(w, m.trigger(q.tok), was, fmt.Sprint("copy", q.uid))
			}
		}
		is := was.With(w.Claim, m.trigger(q.tok))
		a.seen = seen{fired: is.Fired, taken: is.Taken, since: q.seen.since, proof: q.seen.proof}
		if is.Since != was.Since {
			a.seen.since = q.world.claim.since
		}
	}
	a.do, a.end, a.value = d.Do, endOf(d.Outcome), m.intern(d.Value)
	if q.step == awaitStep && d.Do == End && d.Outcome == outcome.OK {
		a.value = m.intern(NewTrigger(runID, d.Wait).String())
	}
	m.known[q] = a
	return a
}

// guarded is the decision of a run in its freeze.
func (m *model) guarded(d Decision, w Observed) Decision {
	if !m.noLockGuard {
		return WithLock(d, w.Claim, runID)
	}
	return d
}

// seenBefore is what await-completed has seen, in the package's words.
func (m *model) seenBefore(s seen) Seen {
	return Seen{ClaimUID: "claim", Fired: s.fired, Taken: s.taken, Since: m.second("since", s.since)}
}

func (m *model) wasSeen(s state) Seen { return m.seenBefore(s.run.seen) }

func (m *model) lock(l lock) Lock { return m.locks[l] }

// internLock makes a number of a lock.
func (m *model) internLock(l Lock) lock {
	n := slices.Index(m.locks, l)
	if n < 0 {
		n, m.locks = len(m.locks), append(m.locks, l)
	}
	return lock(n)
}

// process names the process that is about to lock the claim.
func (s state) process() string { return fmt.Sprint("p", s.run.attempt, s.kills) }

// internReducer makes a number of a reducer, so that a state can be a map key that is small.
func (m *model) internReducer(r any) uint16 {
	n, known := m.reducers[r]
	if !known {
		n = uint16(len(m.byNumber))
		m.reducers[r], m.byNumber = n, append(m.byNumber, r)
	}
	return n
}

func (m *model) reducer(l loop) any { return m.byNumber[l.reducer] }

// lookOf is what a reducer makes of a look.
func (m *model) lookOf(reducer uint16, w world) turn {
	k := looked{reducer, w}
	if n, known := m.looks[k]; known {
		return n
	}
	seen := m.seen(w)
	var (
		p Patch
		d Decision
		r any
	)
	switch was := m.byNumber[reducer].(type) {
	case Firing:
		p, d = was.Next(seen)
		r = was
	case Locking:
		p, d = was.Next(seen)
		r = was
	case Unlocking:
		p, d = was.Next(seen)
		r = was
	case Disarming:
		if lost := was.unconfirmed; m.byValue && lost.Do == Write && seen.Claim.Trigger == lost.Value {
			seen.Claim = was.expected
		}
		p, d = was.Next(seen)
		r = was
	}
	n := turn{reducer: m.internReducer(r), do: d.Do, end: endOf(d.Outcome)}
	if p.SetTrigger {
		n.patch.setTrig, n.patch.trig = true, m.intern(p.To.Trigger)
	}
	if p.SetLock {
		if m.oneState && p.To.Lock.State == Cleanup {
			p.To.Lock.State = Lost
		}
		n.patch.setLock, n.patch.lock = true, m.internLock(p.To.Lock)
	}
	m.looks[k] = n
	return n
}

// reply is a reducer after a reply.
func (m *model) reply(reducer uint16, reply Reply) uint16 {
	switch r := m.byNumber[reducer].(type) {
	case Firing:
		r.Replied(reply, true)
		return m.internReducer(r)
	case Locking:
		r.Replied(reply, true)
		return m.internReducer(r)
	case Disarming:
		r.Replied(reply, true)
		if reply != Written { // what Next sets anew must not make two states of one
			r.next, r.decision = Patch{}, Decision{}
		}
		return m.internReducer(r)
	}
	return reducer
}

// decided is what a reducer has decided with its last patch.
func (m *model) decided(l loop) (Do, end) {
	if w, is := m.reducer(l).(Disarming); is {
		return w.Decision().Do, endOf(w.Decision().Outcome)
	}
	return Write, isOK
}

// seen is a world in the package's words.
func (m *model) seen(w world) Observed {
	c := w.claim
	seen := Observed{ClaimOnly: m.claimOnly, Claim: Claim{
		UID: "claim", Bound: true, Enabled: c.use, Use: "true", Trigger: m.values[c.trig], Latest: m.values[c.latest],
		Status: []string{"", StatusWaiting, StatusInProgress, StatusCompleted}[c.status],
		Since:  m.second("since", c.since),
		Lock:   m.lock(c.lock),
	}}
	if m.claimOnly {
		return seen
	}
	if w.source != 0 {
		seen.Sources = []Source{
			{
				Name:      "rs",
				UID:       fmt.Sprint("rs", w.source),
				Claim:     "data",
				Mover:     "restic",
				Method:    "Snapshot",
				SyncStart: m.second("sync", w.sync),

				LastSyncStart: m.second("sync", w.ended),
			},
		}
	}
	if w.second {
		seen.Sources = append(seen.Sources, Source{Name: "other", UID: "other", Claim: "data"})
	}
	if w.copied {
		seen.Copy = &Copy{
			Name:     "copy",
			UID:      fmt.Sprint("copy", w.uid),
			Owner:    fmt.Sprint("rs", w.source),
			Of:       "data",
			Deleting: w.deleting,
		}
		if w.orphan {
			seen.Copy.Owner = "gone"
		}
		if w.cut {
			seen.Copy.Bound, seen.Copy.Cut = true, "then"
		}
	}
	return seen
}

// second is a time in the API: whole seconds, so that two may be the same.
func (m *model) second(kind string, n uint8) string {
	switch {
	case n == 0:
		return ""
	case m.coarse:
		return kind
	}
	return fmt.Sprint(kind, n)
}

func (m *model) intern(s string) value {
	for v, known := range m.values {
		if s == known {
			return value(v)
		}
	}
	m.values = append(m.values, s)
	return value(len(m.values) - 1)
}

// trigger reads a trigger as a step does that is given one.
func (m *model) trigger(v value) Trigger {
	t, err := ParseTrigger(m.values[v])
	if err != nil {
		panic(err)
	}
	return t
}

// freshly is what a retry would write that does not know the first try's trigger: nobody
// else can tell it from a stranger's.
func (m *model) freshly(v value) value {
	return m.intern(NewTrigger("retry", Wait{Latest: m.values[v]}).String())
}

func (m *model) label(what, then string) string {
	k := [2]string{what, then}
	if m.labels[k] == "" {
		m.labels[k] = "engine: the step " + what + "; " + then
	}
	return m.labels[k]
}
