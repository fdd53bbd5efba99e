package handshake

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// The search drives start-sync and its cleanup, as the commands do, through every order of what
// VolSync, a user, a GitOps controller and a second run may do to the ReplicationSource, with writes
// that conflict, replies that are lost, and a process that is killed. A write that is under way when
// its process is killed has landed or failed by the time its cleanup looks.

// syncing is one state of it.
type syncing struct {
	source Source
	begun  int    // syncs
	copied bool   // the copy of the sync that runs exists
	want   string // manual, as whoever is no start-sync has left it

	a, b    starter // two runs
	cleanup cleaner // of a, when that has ended or was killed

	user, gitops, cron, kills, lost int // what they have done
}

// where a process is.
const (
	atLook = iota
	atWrite
	atEnd
	atKill
)

// starter is a start-sync.
type starter struct {
	at      int
	st      Starting
	patch   manualPatch
	mine    bool // nobody has written since its look
	ends    bool // after its write, with outcome OK: it says that the sync has begun
	says    outcome.Outcome
	asked   int // syncs that had begun when it asked; -1 before
	cleaner cleaner
	gaveUp  bool
	useless bool        // it ends with a sync of somebody else's, whose copy it has seen
	late    manualPatch // a write whose reply was lost, and which may land
	onTime  bool
}

// manualPatch is a [Patch] of the source.
type manualPatch struct {
	set             bool
	manual, started string
}

// cleaner is a cleanup, or a start-sync that gives up.
type cleaner struct {
	at    int
	b     PuttingBack
	patch manualPatch
	mine  bool
	ends  bool
}

// syncSearch is the search, and the guard that it does without.
type syncSearch struct {
	unconditional bool // writes whatever has happened since the look
	keeps         bool // does not put back
	takes         bool // puts back over a value that is not the record's
	forgets       bool // writes no record
	blind         bool // sees no copy
	found         string
	states        int
}

func (m *syncSearch) run(schedule, manual string) {
	first := syncing{
		source: Source{
			Name: "rs", UID: "rs-1", Mover: "restic", Method: "Snapshot", LastSync: "0",
			Schedule: schedule, Manual: manual, LastManual: manual,
		},
		want: manual,
	}
	first.a = starter{st: Starting{Run: "a", Manual: "a.1"}, asked: -1}
	first.b = starter{st: Starting{Run: "b", Manual: "b.1"}, asked: -1}
	first.cleanup.b.Run = "a"
	queue, seen := []syncing{first}, map[syncingKey]bool{first.key(): true}
	for len(queue) > 0 && m.found == "" {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		m.states++
		m.check(s)
		for _, t := range m.next(s) {
			if key := t.key(); !seen[key] {
				seen[key] = true
				queue = append(queue, t)
			}
		}
	}
}

// syncingKey is what tells states apart.
type syncingKey struct {
	manual, last, started, since, ended, want string
	begun, user, gitops, cron, kills, lost    int
	copied                                    bool

	a, b    starterKey
	cleanup cleanerKey
}

type starterKey struct {
	at, asked                                                             int
	mine, ends, gaveUp, late, onTime, asks, doubt, begun, source, touched bool
	useless                                                               bool
	says                                                                  outcome.Outcome
	before, manual, started                                               string
	cleaner                                                               cleanerKey
}

type cleanerKey struct {
	at                int
	mine, ends, doubt bool
	manual, started   string
}

func (s syncing) key() syncingKey {
	src := s.source
	return syncingKey{
		src.Manual, src.LastManual, src.Started, src.SyncStart, src.LastSync, s.want,
		s.begun, s.user, s.gitops, s.cron, s.kills, s.lost, s.copied, s.a.key(), s.b.key(), s.cleanup.key(),
	}
}

func (p starter) key() starterKey {
	return starterKey{
		p.at, p.asked, p.mine, p.ends, p.gaveUp, p.late.set, p.onTime, p.st.asks, p.st.doubt, p.st.begun,
		p.st.source.UID != "", p.st.asked, p.useless, p.says, p.st.source.LastSync, p.patch.manual + "/" + p.late.manual,
		p.patch.started, p.cleaner.key(),
	}
}

func (c cleaner) key() cleanerKey {
	return cleanerKey{c.at, c.mine, c.ends, c.b.doubt, c.patch.manual, c.patch.started}
}

// check looks for what must not be.
func (m *syncSearch) check(s syncing) {
	for _, p := range []starter{s.a, s.b} {
		if p.at == atEnd && p.useless {
			m.found = fmt.Sprintf("run %s ends with a sync in which VolSync does not wait: %+v", p.st.Run, s)
		}
		if p.at == atEnd && !p.gaveUp && p.says == outcome.OK && p.st.Begun() && s.begun <= p.asked {
			m.found = fmt.Sprintf("run %s says that its sync has begun, and none has: %+v", p.st.Run, s)
		}
	}
	if s.a.at < atEnd || s.b.at < atEnd || s.cleanup.at < atEnd {
		return
	}
	if s.source.Started != "" || s.source.Manual != s.want {
		m.found = fmt.Sprintf("all have ended, and manual is %q instead of %q, the record %q",
			s.source.Manual, s.want, s.source.Started)
	}
}

func (m *syncSearch) next(s syncing) []syncing {
	return slices.Concat(s.volsync(), s.others(), m.starter(s, func(s *syncing) *starter { return &s.a }),
		m.starter(s, func(s *syncing) *starter { return &s.b }), m.cleanups(s))
}

// written is the state after somebody has written the source.
func (s syncing) written() syncing {
	s.a.mine, s.b.mine, s.cleanup.mine = false, false, false
	s.a.cleaner.mine, s.b.cleaner.mine, s.a.onTime, s.b.onTime = false, false, false, false
	return s
}

// calm reports whether something may happen: one thing at most does.
func (s syncing) calm() bool { return s.user+s.gitops+s.cron+s.kills+s.lost == 0 }

func (s syncing) volsync() (all []syncing) {
	t := s.written()
	if s.source.SyncStart != "" {
		t.source.SyncStart, t.source.LastManual = "", s.source.Manual
		t.source.LastSync = strconv.Itoa(s.begun)
		t.copied = false
		all = append(all, t)
		if !s.copied {
			t = s
			t.copied = true
			all = append(all, t)
		}
		return all
	}
	due := s.source.Manual != "" && s.source.Manual != s.source.LastManual
	if s.source.Manual == "" && s.source.Schedule != "" && s.cron == 0 && s.calm() {
		t.cron, due = 1, true
	}
	if due && s.begun < 3 {
		t.begun++
		t.source.SyncStart = "at " + strconv.Itoa(t.begun)
		all = append(all, t)
	}
	return all
}

// others are a user, who asks for a sync, and a GitOps controller, which puts its own value back, with
// or without the annotation.
func (s syncing) others() (all []syncing) {
	if s.user == 0 && s.calm() {
		t := s.written()
		t.user, t.source.Manual, t.want = 1, "by hand", "by hand"
		all = append(all, t)
	}
	if s.gitops == 0 && s.calm() && (s.source.Manual != s.want || s.source.Started != "") {
		t := s.written()
		t.gitops, t.source.Manual = 1, s.want
		all = append(all, t)
		t.source.Started = ""
		all = append(all, t)
	}
	return all
}

// look is what a process sees.
func (m *syncSearch) look(s syncing) Observed {
	w := Observed{Claim: Claim{UID: "pvc", Enabled: true, Bound: true}, Sources: []Source{s.source}}
	if s.copied && !m.blind {
		w.Copy = &Copy{Name: "copy", Owner: s.source.UID}
	}
	return w
}

// tampered is a patch without a guard.
func (m *syncSearch) tampered(s syncing, patch Patch) manualPatch {
	p := manualPatch{patch.SetSource, patch.Source.Manual, patch.Source.Started}
	if !p.set {
		return manualPatch{}
	}
	rec, recorded := readStarted(s.source.Started)
	switch {
	case m.forgets && p.started != "":
		p.started = ""
	case m.keeps && recorded && p.started == "":
		p.manual = s.source.Manual
	case m.takes && recorded && p.started == "":
		p.manual = rec.Was
	}
	return p
}

// lands is the state after a patch of a process.
func (s syncing) lands(p manualPatch) syncing {
	s = s.written()
	s.source.Manual, s.source.Started = p.manual, p.started
	return s
}

func (m *syncSearch) starter(s syncing, of func(*syncing) *starter) (all []syncing) {
	emit := func(t syncing, change func(p *starter)) {
		change(of(&t))
		all = append(all, t)
	}
	p := *of(&s)
	if p.late.set && p.at != atKill {
		if p.onTime {
			emit(s.lands(p.late), func(p *starter) { p.late = manualPatch{} })
		}
		emit(s, func(p *starter) { p.late = manualPatch{} })
	}
	switch {
	case p.gaveUp && p.at < atEnd:
		for _, t := range m.cleaner(s, func(s *syncing) *cleaner { return &of(s).cleaner }) {
			if of(&t).cleaner.at == atEnd {
				of(&t).at = atEnd
			}
			all = append(all, t)
		}
	case p.at == atLook:
		emit(s, func(p *starter) { m.starterLooks(s, p) })
		if p.st.Run == "a" { // of b a refusal is enough
			emit(s, func(p *starter) { p.givesUp() })
		}
	case p.at == atWrite:
		all = append(all, m.starterWrites(s, of)...)
	}
	if p.at < atEnd && p.st.Run == "a" && s.kills == 0 && s.calm() {
		t := s
		t.kills = 1
		emit(t, func(p *starter) { p.at = atKill })
		if p.late.set && p.onTime {
			emit(t.lands(p.late), func(p *starter) { p.at = atKill })
		}
		if p.at == atWrite && p.mine {
			emit(t.lands(p.patch), func(p *starter) { p.at = atKill })
		}
	}
	return all
}

func (m *syncSearch) starterLooks(s syncing, p *starter) {
	next, d := p.st.Next(m.look(s))
	patch := m.tampered(s, next)
	p.useless = d.Outcome == outcome.OK && !p.st.Begun() && s.copied
	switch {
	case patch.set:
		p.at, p.patch, p.mine, p.ends, p.says = atWrite, patch, true, d.Outcome != "", d.Outcome
	case d.Do == End && d.Outcome == outcome.OK:
		p.at, p.says = atEnd, d.Outcome
	case d.Do == End:
		p.givesUp()
	}
}

func (p *starter) givesUp() {
	p.gaveUp = true
	if p.cleaner.b = p.st.GiveUp(); !p.st.MayBeSet() {
		p.at = atEnd
	}
}

func (m *syncSearch) starterWrites(s syncing, of func(*syncing) *starter) (all []syncing) {
	emit := func(t syncing, r Reply, change func(p *starter)) {
		p := of(&t)
		p.at, p.patch = atLook, manualPatch{}
		p.st.Replied(r, true)
		switch done := r == Written && p.ends; {
		case done && p.says == outcome.OK:
			p.at = atEnd
		case done:
			p.givesUp()
		}
		change(p)
		all = append(all, t)
	}
	p := *of(&s)
	if !p.mine && !m.unconditional {
		emit(s, Conflict, func(*starter) {})
		return all
	}
	asks := func(p *starter) {
		if p.asked < 0 {
			p.asked = s.begun
		}
	}
	emit(s.lands(p.patch), Written, asks)
	if s.lost == 0 && s.calm() && p.st.Run == "a" {
		t := s
		t.lost = 1
		emit(t.lands(p.patch), Unknown, asks)
		emit(t, Unknown, func(q *starter) { asks(q); q.late, q.onTime = p.patch, true })
	}
	return all
}

// cleanups is the cleanup of a, once that has ended or was killed.
func (m *syncSearch) cleanups(s syncing) []syncing {
	if s.a.at < atEnd {
		return nil
	}
	return m.cleaner(s, func(s *syncing) *cleaner { return &s.cleanup })
}

func (m *syncSearch) cleaner(s syncing, of func(*syncing) *cleaner) (all []syncing) {
	c := *of(&s)
	switch {
	case c.at == atLook:
		t := s
		p := of(&t)
		next, d := p.b.Next(m.look(s))
		patch := m.tampered(s, next)
		if p.at, p.patch, p.mine, p.ends = atWrite, patch, true, d.Outcome != ""; !patch.set {
			p.at = atEnd
		}
		all = append(all, t)
	case c.at == atWrite && !c.mine && !m.unconditional:
		t := s
		p := of(&t)
		p.b.Replied(Conflict, true)
		p.at, p.patch = atLook, manualPatch{}
		all = append(all, t)
	case c.at == atWrite:
		t := s.lands(c.patch)
		p := of(&t)
		p.b.Replied(Written, true)
		if p.at, p.patch = atLook, (manualPatch{}); p.ends {
			p.at = atEnd
		}
		all = append(all, t)
	}
	return all
}

// startedFrom are how a ReplicationSource may be triggered before.
func startedFrom() map[string][2]string {
	return map[string][2]string{"a schedule": {"0 3 * * *", ""}, "a manual trigger of Git's": {"0 3 * * *", "git"}}
}

func TestStartingSearch(t *testing.T) {
	for name, c := range startedFrom() {
		m := &syncSearch{}
		if m.run(c[0], c[1]); m.found != "" {
			t.Errorf("%s: %s", name, m.found)
		}
		t.Logf("%s: %d states", name, m.states)
	}
}

// Each guard is needed.
func TestStartingGuards(t *testing.T) {
	for name, m := range map[string]syncSearch{
		"not conditional":                        {unconditional: true},
		"not putting back":                       {keeps: true},
		"taking another's manual value for ours": {takes: true},
		"no record":                              {forgets: true},
		"not looking at the copy":                {blind: true},
	} {
		for from, c := range startedFrom() {
			m := m
			if m.run(c[0], c[1]); m.found == "" {
				t.Errorf("%s, from %s: nothing is found in %d states", name, from, m.states)
			}
		}
	}
}
