package handshake

import "fmt"

// Between the search's small numbers and the package's own words: every decision of the
// run is taken by the functions that the steps call.

// question is everything that a decision depends on; so it is decided once.
type question struct {
	step
	world world
	tok   value
	seen  seen
}

type step uint8

const (
	awaitStep step = iota
	fireStep
	completedStep
	surrenderStep // Disarm for the trigger's run
	disarmStep    // Disarm for the run's id
)

type world struct {
	claim            facts
	source, sync     uint8
	copied, deleting bool
}

type answer struct {
	do    Do
	end   end
	value value // to write; or the trigger that await-waiting gives
	seen  seen  // after it
}

// world is what the run sees: the claim as it read it first, the rest as it is.
func (s state) world() world {
	return world{claim: s.run.read, source: s.source, sync: s.sync, copied: s.copy.there, deleting: s.copy.there && (s.copy.deleting || s.copy.orphan)}
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
	case fireStep:
		d = Fire(w, m.trigger(q.tok))
	case completedStep:
		was := Seen{ClaimUID: w.Claim.UID, Fired: q.seen.fired, Taken: q.seen.taken, Since: m.second("since", q.seen.since)}
		d = Completed(w.Claim, m.trigger(q.tok), was)
		is := was.With(w.Claim, m.trigger(q.tok))
		a.seen = seen{fired: is.Fired, taken: is.Taken, since: q.seen.since}
		if is.Since != was.Since {
			a.seen.since = q.world.claim.since
		}
	case surrenderStep:
		d = Disarm(w.Claim, m.trigger(q.tok).Run())
	case disarmStep:
		d = Disarm(w.Claim, runID)
	}
	a.do, a.end, a.value = d.Do, endOf(d.Outcome), m.intern(d.Value)
	if q.step == awaitStep && d.Do == End && d.Outcome == OK {
		a.value = m.intern(NewTrigger(runID, d.Wait).String())
	}
	m.known[q] = a
	return a
}

// seen is a world in the package's words.
func (m *model) seen(w world) World {
	c := w.claim
	seen := World{ClaimOnly: m.claimOnly, Claim: Claim{
		UID: "claim", Enabled: c.use, Use: "true", Trigger: m.values[c.trig], Latest: m.values[c.latest],
		Status: []string{"", StatusWaiting, StatusInProgress, StatusCompleted}[c.status],
		Since:  m.second("since", c.since),
	}}
	if m.claimOnly {
		return seen
	}
	if w.source != 0 {
		seen.Sources = []Source{{Name: "rs", UID: fmt.Sprint("rs", w.source), Mover: "restic", Method: "Snapshot", SyncStart: m.second("sync", w.sync)}}
	}
	if w.copied {
		seen.Copy = &Copy{Name: "copy", UID: "copy", Deleting: w.deleting}
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
