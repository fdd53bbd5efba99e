package handshake

import "slices"

// The search itself, breadth first, so that the first trace of a violation is a shortest
// one. Every state is reached by every order of steps that leads to it.
//
// What it holds the run to:
//
//   - P1, no false success. A run that says ok has a copy that was cut inside the freeze
//     of the same attempt and after its fire, and VolSync recorded its trigger for it.
//   - P2, nothing left behind. Once an attempt has ended, no trigger of the run is armed,
//     and if a copy that was made for one of them is cut while the application runs, then
//     some report of the run has said tainted or unverified. Withdrawn means that no copy
//     was made at all.
//   - P3, no freeze for ever. From every state the run gets to unquiesce by itself: with
//     VolSync down, no stranger helping and nothing else going wrong.
//
// What it does not, because no coordinator can:
//
//   - A copy made for a stranger's trigger, or because a stranger removed
//     use-copy-trigger, is cut when it is cut. Should the copy of the latter have been
//     cut inside the freeze but just before the fire, it is still a good one: P1 asks for
//     the fire only where VolSync waited.
//   - If somebody unquiesces the application of a run by hand, the cleanup says what becomes
//     of the copy. The run itself must not say ok.
//   - Strangers do not write a trigger of ours. If one is recorded for no copy, a run that says
//     ok all the same breaks P1; what becomes of the copy, a cleanup cannot tell by the claim.
//   - The engine runs the cleanup until it succeeds, and tries the steps that were killed
//     again or not at all.
//   - A claim whose application could not be unquiesced, by a run that had locked it, stays
//     locked.
//   - A run that was killed while it verified, the application running, has said nothing.

type violation struct {
	what  string
	trace []string
}

type found struct {
	states     int
	verdicts   [isUnverified + 1]int
	violations []violation // one of each sort, with its shortest trace
}

// explore is a breadth-first search in progress.
type explore struct {
	m      *model
	index  map[state]int32
	states []state
	parent []int32
	found  found
}

// search goes through every order, to the first violation or to the end.
func (m *model) search(toFirst bool) found {
	m.values = []string{"", "old", "foreign"}
	m.known, m.labels = map[question]answer{}, map[[2]string]string{}
	m.reducers, m.byNumber, m.looks = map[any]uint16{}, nil, map[looked]turn{}
	m.internReducer(nil)
	m.locks = []Lock{{}}
	x := &explore{m: m, index: map[state]int32{}}
	for _, f := range m.starts() {
		x.add(state{claim: f, cached: f, current: true, source: 1, run: runner{attempt: 1}}, -1)
	}
	for i := int32(0); int(i) < len(x.states); i++ {
		s := x.states[i]
		x.found.verdicts[s.run.verdict]++
		m.next(s, func(label string, t state) {
			x.add(t, i)
			if what := m.wrong(s, t); what != "" {
				x.report(what, i, label)
			}
		})
		if toFirst && len(x.found.violations) > 0 {
			break
		}
	}
	if x.found.states = len(x.states); !toFirst || len(x.found.violations) == 0 {
		x.stuck()
	}
	return x.found
}

func (x *explore) add(s state, parent int32) {
	if _, ok := x.index[s]; !ok {
		x.index[s] = int32(len(x.states))
		x.states = append(x.states, s)
		x.parent = append(x.parent, parent)
	}
}

// report keeps the first violation of its sort: a step from state i.
func (x *explore) report(what string, i int32, label string) {
	if slices.ContainsFunc(x.found.violations, func(v violation) bool { return v.what == what }) {
		return
	}
	trace := []string{label}
	for ; x.parent[i] >= 0; i = x.parent[i] {
		found := false
		x.m.next(x.states[x.parent[i]], func(label string, t state) {
			if !found && t == x.states[i] {
				trace, found = append(trace, label), true
			}
		})
	}
	slices.Reverse(trace)
	x.found.violations = append(x.found.violations, violation{what, trace})
}

// wrong says which property the step from s to t breaks.
func (m *model) wrong(s, t state) string {
	r := t.run
	if r.verdict == isOK && s.run.verdict != isOK {
		switch {
		case t.recorded != r.tok:
			return "P1: ok, and VolSync never recorded the trigger"
		case t.recordedCut != running+cut(r.attempt):
			return "P1: ok for a copy cut outside the freeze"
		case t.recordedEarly:
			return "P1: ok for a copy cut before the fire"
		}
	}
	switch {
	case r.at == over && t.claim.trig >= ours && t.claim.armed():
		return "P2: a trigger is left armed"
	case r.at == over && t.claim.lock != unlocked && !m.lock(t.claim.lock).Has(stranger) && !(r.failed && t.hadLock):
		return "P2: the claim is left locked"
	case r.at == over && t.unquiesced && !r.told && !r.blind:
		return "P2: a copy is cut while the application runs, and nobody was told"
	case r.verdict == isRefused && s.run.verdict != isRefused && t.made &&
		t.kills == 0 && t.strange == 0 && r.attempt == 1:
		return "P2: refused, as if nothing had been fired, and a copy was made"
	case r.verdict == isWithdrawn && t.made && !m.coarse:
		// Two waits in one second look the same to whoever did not look in between.
		return "P2: withdrawn, and a copy was made"
	}
	return ""
}

// stuck looks for a state from which the run, alone, cannot unquiesce the application. It
// may take a loop for a dead end, so it may cry wolf, but it misses nothing.
func (x *explore) stuck() {
	const (
		unknown = iota
		open
		yes
		no
	)
	out := make([]uint8, len(x.states))
	var escapes func(i int32) bool
	escapes = func(i int32) bool {
		if x.states[i].frozen == 0 {
			return true
		}
		if out[i] != unknown {
			return out[i] == yes
		}
		out[i] = open
		ok := false
		x.m.coordinator(x.states[i], true, func(_ string, t state) {
			ok = ok || escapes(x.index[t])
		})
		out[i] = no
		if ok {
			out[i] = yes
		}
		return ok
	}
	for i := range x.states {
		if !escapes(int32(i)) {
			x.report("P3: the application stays quiesced", int32(i), "… and nothing that the run does by itself leads out")
			return
		}
	}
}

// next is every step that somebody can take.
func (m *model) next(s state, do emit) {
	m.volsync(s, do)
	m.storage(s, do)
	m.strangers(s, do)
	m.coordinator(s, false, do)
	m.network(s, do)
}
