package handshake

import (
	"fmt"
	"slices"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A third search, of groups: two claims of one application, two runs of which the first wants both
// and the second both, or the second claim alone, VolSync, and a process of the first run that is
// killed and cleaned up after. Of one claim's copy only this is told: when VolSync begins to wait,
// takes a trigger, cuts and records, and whether it gives up the wait before. What a reply that is
// lost can do to one claim the first search shows.

const members = 2

// copied is a claim of the group, and VolSync's part in it.
type copied struct {
	lock, trigger, latest string
	status                status
	wait                  uint8 // number of the wait
	cut                   bool
	cutBy                 uint8 // who had quiesced the application when it was cut
	taken                 string
}

// together is what a run of the search does.
type together uint8

const (
	groupBegins together = iota
	groupLocks           // member by member
	groupGivesBack
	groupQuiesces
	groupFires
	groupTakesBack // what it has fired, where one was refused
	groupAwaits
	groupLets
	groupUnlocks
	groupDisarms // the cleanup of one that was killed
	groupCleans
	groupOver
)

type coordinates struct {
	does   together
	next   uint8           // the member that comes next, or those that have come, as bits
	fired  [members]bool   // by this run
	waits  [members]uint8  // that await-waiting has seen
	ended  outcome.Outcome // "" before
	killed bool
}

type band struct {
	claims [members]copied
	frozen uint8 // the run that has quiesced the application, from 1
	runs   [2]coordinates
	kills  uint8
	quits  uint8 // waits that VolSync has given up
}

// bands is a configuration of the third search: which guards are off.
type bands struct {
	of          [2][]int // the members of each run, in the order in which it locks them
	kills       uint8
	quits       uint8
	oneByOne    bool // fire without having looked whether all still wait
	leavesFired bool // do not take back what was fired where one was refused
	leavesLocks bool // do not give back what was locked where one was refused
	firstIsAll  bool // the record of one member is taken for that of all
}

func (b bands) run(i int) string { return []string{ourRun, otherRun}[i] }

func (c copied) world() Observed {
	w := Observed{Claim: Claim{
		UID: "claim", Bound: true, Enabled: true, Trigger: c.trigger, Latest: c.latest, Lock: ParseLock(c.lock),
		Status: []string{"", StatusWaiting, StatusInProgress, StatusCompleted}[c.status],
	}, Sources: []Source{{Name: "rs", UID: "rs", Mover: "restic", Method: "Snapshot", SyncStart: "then"}}}
	if c.status == waiting {
		w.Claim.Since = fmt.Sprint(c.wait)
	}
	if c.taken != "" {
		w.Copy = &Copy{Name: "copy", UID: "copy", Owner: "rs"}
	}
	return w
}

func (c *copied) apply(p Patch) {
	if p.SetTrigger {
		c.trigger = p.To.Trigger
	}
	if p.SetLock {
		c.lock = p.To.Lock.String()
	}
}

func (b bands) trigger(r coordinates, i int) Trigger {
	var waits []Wait
	for _, m := range b.of[i] {
		waits = append(waits, Wait{ClaimUID: "claim", SourceUID: "rs", SyncStart: "then",
			Since: fmt.Sprint(r.waits[m]), Latest: ""})
	}
	return NewTrigger(b.run(i), waits...)
}

func (b bands) next(s band, do func(string, band)) {
	for m := range s.claims {
		b.volsync(s, m, do)
	}
	for i := range s.runs {
		b.coordinate(s, i, do)
		r := s.runs[i]
		if s.kills < b.kills && r.does > groupBegins && r.does < groupDisarms && r.does != groupQuiesces {
			t := s
			t.kills++
			t.runs[i].killed, t.runs[i].does, t.runs[i].next = true, groupDisarms, 0
			do(fmt.Sprintf("run %d is killed", i), t)
		}
	}
}

func (b bands) volsync(s band, m int, do func(string, band)) {
	c := s.claims[m]
	t := s
	says := func(what string) { do(fmt.Sprintf("VolSync, claim %d: %s", m, what), t) }
	switch {
	case c.status == blank:
		t.claims[m].status, t.claims[m].wait = waiting, c.wait+1
		says("waits")
	case c.status == waiting && c.trigger != c.latest && c.trigger != "":
		t.claims[m].status, t.claims[m].taken = inProgress, c.trigger
		says("takes the trigger")
	case c.status == waiting && s.quits < b.quits:
		t.quits++
		t.claims[m].status = blank
		says("gives up its wait")
	case c.status == inProgress && !c.cut:
		t.claims[m].cut, t.claims[m].cutBy = true, s.frozen
		says("CUTS")
	case c.status == inProgress:
		t.claims[m].status, t.claims[m].latest = completed, c.trigger
		says("records")
	}
}

func (b bands) coordinate(s band, i int, do func(string, band)) {
	r := s.runs[i]
	to := func(what string, t band, d together) {
		t.runs[i].does, t.runs[i].next = d, 0
		do(fmt.Sprintf("run %d: %s", i, what), t)
	}
	switch r.does {
	case groupBegins:
		b.await(s, i, to)
	case groupLocks:
		b.lock(s, i, do, to)
	case groupGivesBack, groupUnlocks:
		t := s
		for _, m := range b.of[i] {
			u := Unlocking{Run: b.run(i), Off: owner(i)}
			p, _ := u.Next(t.claims[m].world())
			t.claims[m].apply(p)
		}
		if r.ended == "" && r.does == groupGivesBack {
			t.runs[i].ended = outcome.Refused
		}
		to("unlocks", t, groupOver)
	case groupQuiesces:
		t := s
		t.frozen = uint8(i + 1)
		to("QUIESCES", t, groupFires)
	case groupFires:
		b.fire(s, i, do, to)
	case groupTakesBack:
		b.takeBack(s, i, to)
	case groupAwaits:
		b.record(s, i, to)
	case groupLets:
		t := s
		t.frozen = 0
		to("UNQUIESCES", t, groupUnlocks)
	case groupDisarms:
		t := s
		for _, m := range b.of[i] {
			c := &t.claims[m]
			w := Disarming{Run: b.run(i), Lock: LockForCleanup, Process: "cleanup"}
			p, _ := w.Next(c.world())
			c.apply(p)
		}
		t.runs[i].ended = outcome.Tainted
		to("the cleanup disarms", t, groupCleans)
	case groupCleans:
		b.clean(s, i, to)
	}
}

// clean lets the application run, unless another run has locked a claim of the group, and unlocks.
func (b bands) clean(s band, i int, to func(string, band, together)) {
	t, alone := s, true
	for _, m := range b.of[i] {
		u := Unquiescing{Run: b.run(i), Process: "cleanup"}
		p, d := u.Next(t.claims[m].world())
		t.claims[m].apply(p)
		alone = alone && d.Outcome == outcome.OK
	}
	if alone {
		t.frozen = 0
	}
	for _, m := range b.of[i] {
		u := Unlocking{Run: b.run(i), Off: "cleanup", Own: true}
		p, _ := u.Next(t.claims[m].world())
		t.claims[m].apply(p)
	}
	to("the cleanup UNQUIESCES and unlocks", t, groupOver)
}

// await is content when all wait at the same time.
func (b bands) await(s band, i int, to func(string, band, together)) {
	var ds []Decision
	t := s
	for _, m := range b.of[i] {
		ds = append(ds, Await(s.claims[m].world(), b.run(i)))
		t.runs[i].waits[m] = s.claims[m].wait
	}
	switch d, _ := Together(ds); {
	case d.Do == End && d.Outcome == outcome.OK:
		to("sees all wait", t, groupLocks)
	case d.Do == End:
		t = s
		t.runs[i].ended = d.Outcome
		to("is refused", t, groupOver)
	default:
		t = s
		t.runs[i].ended = outcome.TimedOut
		to("waits no longer", t, groupOver)
	}
}

func (b bands) lock(s band, i int, do func(string, band), to func(string, band, together)) {
	r := s.runs[i]
	m := b.of[i][r.next]
	l := Locking{Run: b.run(i), Process: owner(i), Wait: Wait{ClaimUID: "claim", Since: fmt.Sprint(r.waits[m])}}
	p, d := l.Next(s.claims[m].world())
	t := s
	switch {
	case d.Outcome != outcome.OK && b.leavesLocks:
		t.runs[i].ended = outcome.Refused
		to("is not let lock", t, groupOver)
	case d.Outcome != outcome.OK:
		to("is not let lock", t, groupGivesBack)
	case int(r.next) == len(b.of[i])-1:
		t.claims[m].apply(p)
		to("locks the last", t, groupQuiesces)
	default:
		t.claims[m].apply(p)
		t.runs[i].next++
		do(fmt.Sprintf("run %d: locks claim %d", i, m), t)
	}
}

// fire looks at all, and then writes them in any order, each by compare-and-swap.
func (b bands) fire(s band, i int, do func(string, band), to func(string, band, together)) {
	r := s.runs[i]
	trigger := b.trigger(r, i)
	if r.next == 0 && !b.oneByOne {
		var ws []Observed
		for _, m := range b.of[i] {
			ws = append(ws, s.claims[m].world())
		}
		if d, _, _ := FireTogether(ws, trigger); d.Do != Write {
			t := s
			t.runs[i].ended = d.Outcome
			to("fire-trigger refuses", t, groupTakesBack)
			return
		}
	}
	all := true
	for k, m := range b.of[i] {
		if r.next>>k&1 == 1 {
			continue
		}
		all = false
		wait := Wait{ClaimUID: "claim", SourceUID: "rs", SyncStart: "then", Since: fmt.Sprint(r.waits[m])}
		f := Firing{Trigger: trigger, Wait: wait}
		p, d := f.Next(s.claims[m].world())
		t := s
		if d.Outcome != outcome.OK {
			t.runs[i].ended = d.Outcome
			to(fmt.Sprintf("is refused at claim %d", m), t, groupTakesBack)
			continue
		}
		t.claims[m].apply(p)
		t.runs[i].fired[m] = true
		t.runs[i].next |= 1 << k
		do(fmt.Sprintf("run %d: FIRES claim %d", i, m), t)
	}
	if all {
		to("has fired all", s, groupAwaits)
	}
}

func (b bands) takeBack(s band, i int, to func(string, band, together)) {
	t := s
	for _, m := range b.of[i] {
		if !s.runs[i].fired[m] || b.leavesFired {
			continue
		}
		w := Disarming{Run: b.run(i), Lock: LockLost}
		p, d := w.Next(t.claims[m].world())
		t.claims[m].apply(p)
		if d.Outcome != outcome.OK && outcome.Worse(d.Outcome, t.runs[i].ended) {
			t.runs[i].ended = d.Outcome
		}
	}
	to("takes back", t, groupLets)
}

func (b bands) record(s band, i int, to func(string, band, together)) {
	trigger := b.trigger(s.runs[i], i)
	var ds []Decision
	for _, m := range b.of[i] {
		w := s.claims[m].world()
		ds = append(ds, WithLock(Completed(w.Claim, trigger, Seen{ClaimUID: "claim", Fired: true}), w.Claim, b.run(i)))
	}
	d, _ := Together(ds)
	if b.firstIsAll {
		d = ds[0]
	}
	t := s
	if d.Do == End && d.Outcome == outcome.OK {
		t.runs[i].ended = outcome.OK
		to("ends OK", t, groupLets)
		return
	}
	t.runs[i].ended = outcome.Withdrawn
	to("gives up", t, groupTakesBack)
}

func (b bands) wrong(s, t band) string {
	for i, r := range t.runs {
		if none := [members]bool{}; s.runs[i].fired == none && r.fired != none {
			for _, m := range b.of[i] {
				if s.claims[m].status != waiting {
					return fmt.Sprintf("P3: run %d fires, and VolSync does not wait on claim %d", i, m)
				}
			}
		}
		if r.ended == s.runs[i].ended {
			continue
		}
		for _, m := range b.of[i] {
			c := t.claims[m]
			switch {
			case r.ended == outcome.OK && (c.latest != b.trigger(r, i).String() || c.cutBy != uint8(i+1)):
				return fmt.Sprintf("P1: run %d ends ok, and the copy of claim %d is not of its freeze", i, m)
			case r.ended != outcome.OK && r.ended != outcome.Tainted && of(b.run(i), c.taken) && r.does == groupLets:
				return fmt.Sprintf("P2: run %d ends %s, and VolSync has taken its trigger for claim %d", i, r.ended, m)
			}
		}
	}
	return ""
}

func (b bands) left(s band) string {
	for _, r := range s.runs {
		if r.does != groupOver {
			return ""
		}
	}
	if s.kills == 0 && s.quits == 0 && s.runs[0].ended == outcome.Refused && s.runs[1].ended == outcome.Refused {
		return "P4: of two runs none goes on"
	}
	for i := range s.runs {
		for m, c := range s.claims {
			if of(b.run(i), c.trigger) && c.trigger != c.latest {
				return fmt.Sprintf("P2: claim %d is left armed", m)
			}
		}
	}
	for m, c := range s.claims {
		if c.lock != "" {
			return fmt.Sprintf("P2: claim %d is left locked: %s", m, c.lock)
		}
	}
	if s.frozen != 0 {
		return "P2: the application stays quiesced"
	}
	return ""
}

func (b bands) search() (states, good int, v *violation) {
	start := band{}
	parents, labels, queue := map[band]band{start: start}, map[band]string{}, []band{start}
	trace := func(s band, last string) []string {
		steps := []string{last}
		for ; s != start; s = parents[s] {
			steps = append(steps, labels[s])
		}
		slices.Reverse(steps)
		return steps
	}
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.runs[0].ended == outcome.OK {
			good++
		}
		if what := b.left(s); what != "" {
			return len(parents), good, &violation{what, trace(s, "all have ended")}
		}
		b.next(s, func(label string, t band) {
			if what := b.wrong(s, t); what != "" && v == nil {
				v = &violation{what, trace(s, label)}
			}
			if _, known := parents[t]; !known {
				parents[t], labels[t] = s, label
				queue = append(queue, t)
			}
		})
		if v != nil {
			break
		}
	}
	return len(parents), good, v
}

// TestGroups searches all orders of two runs whose groups overlap.
func TestGroups(t *testing.T) {
	for name, b := range map[string]bands{
		"two of the same group": {of: [2][]int{{0, 1}, {0, 1}}, kills: 1, quits: 1},
		"one that overlaps":     {of: [2][]int{{0, 1}, {1}}, kills: 1, quits: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states, good, v := b.search()
			t.Logf("%d states", states)
			if v != nil {
				t.Errorf("%s:\n%s", v.what, v)
			}
			if good == 0 {
				t.Error("no run ends well: the search shows nothing")
			}
		})
	}
}

// Each rule of groups, taken away, breaks a promise.
func TestGroupGuards(t *testing.T) {
	pair := [2][]int{{0, 1}, {0, 1}}
	for name, b := range map[string]bands{
		"fire without a look whether all still wait": {of: pair, quits: 1, oneByOne: true},
		"leave what was fired where one is refused":  {of: pair, quits: 1, leavesFired: true},
		"leave what was locked where one is refused": {of: pair, leavesLocks: true, quits: 1},
		"locks without order":                        {of: [2][]int{{0, 1}, {1, 0}}},
		"take the record of one for that of all":     {of: pair, firstIsAll: true},
	} {
		t.Run(name, func(t *testing.T) {
			states, _, v := b.search()
			if v == nil {
				t.Fatalf("none of %d states breaks a promise", states)
			}
			t.Logf("after %d states, %s:\n%s", states, v.what, v)
		})
	}
}
