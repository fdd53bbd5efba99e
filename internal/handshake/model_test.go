package handshake

// The cluster of the search: one claim, one ReplicationSource, VolSync, the storage and
// strangers, each as the smallest steps that the others can see. Every step is one write
// to the API, or one look at it.
//
// VolSync's part is told from its code, not from this package: it is what the package is
// held against. It sees the claim through a cache that may be old, but never goes back in
// time, and it writes with the version that it read. Not modelled: a claim that is
// deleted and made again (see invariants_test.go), and copyMethod Clone, which differs only in
// what "ready" means. Of an old cache of VolumeSnapshots, and of a second ReplicationSource, only
// the record is: see records.

// value is a copy-trigger. Ours are those from ours on, interned by [model.intern].
type value uint8

const (
	none    value = iota
	old           // recorded before the search begins
	foreign       // a stranger's
	ours
)

type status uint8

const (
	blank status = iota
	waiting
	inProgress
	completed
)

// facts are the claim's annotations.
type facts struct {
	use          bool
	lock         lock
	trig, latest value
	status       status
	since        uint8 // number of the wait; 0 for absent
}

// lock is a [Lock] of the run on the claim, interned by [model.internLock].
type lock uint8

const unlocked lock = 0

func (f facts) armed() bool { return f.trig != none && f.trig != f.latest }

// cut says when the content of a copy was frozen.
type cut uint8

const (
	uncut   cut = iota
	running     // while the application ran
	frozen1     // while attempt 1 held it quiesced; then attempt 2, and so on
)

// snapshot is the copy.
type snapshot struct {
	there, deleting, orphan, ready bool
	early                          bool // it had been cut when a trigger of ours was written
	cut                            cut
	maker                          value // the trigger that it was made for; none if VolSync did not wait
	uid                            uint8 // its number, with model.untilCut
}

// state is one point of the search. It is a map key: no pointers, and whatever does not
// matter any more must be zero.
type state struct {
	claim facts

	source   uint8 // generation of the ReplicationSource; 0 while it is deleted
	sync     uint8 // lastSyncStartTime; 0 for none
	ended    uint8 // the last sync that has ended; 0 for none
	second   bool  // there is another ReplicationSource
	cycles   uint8 // syncs so far
	waits    uint8 // waits so far
	copies   uint8 // copies so far, with model.untilCut
	cached   facts // the claim as VolSync knows it
	current  bool  // that is its present version
	creating uint8 // the source that VolSync, past its checks, makes a copy for
	maker    value
	copy     snapshot

	frozen uint8 // the attempt that quiesced the application; 0 while it runs
	run    runner

	kills, lost, strange uint8 // what has gone wrong so far
	did                  kind  // the strangers' deeds
	late                 patch // a dead process' write that is still on its way

	// What is true of the run, whether it knows it or not.
	recorded      value // the last trigger of ours that VolSync recorded
	recordedCut   cut
	recordedEarly bool
	unquiesced    bool // a copy made for a trigger of ours was cut while the application ran
	made          bool // a copy was made for a trigger of ours in this attempt
	hadLock       bool // the run had locked the claim
}

// others is a write of the claim by anybody but VolSync: whoever has read it before has
// read an old version now.
func (s state) others(f facts) state {
	s.claim, s.current, s.run.mine, s.late = f, false, false, patch{}
	return s
}

// put is a write of the claim by VolSync, which knows what it wrote.
func (s state) put(f facts) state {
	s = s.others(f)
	s.cached, s.current = f, true
	return s
}

type emit func(label string, t state)

// volsync is one step of VolSync's manager. That it is down for a while needs no step:
// it is a search in which nobody takes these.
func (m *model) volsync(s state, do emit) {
	if !s.current {
		t := s
		t.cached, t.current = s.claim, true
		do("VolSync: sees the claim as it is", t)
	}
	if s.creating != 0 {
		t := s
		t.creating, t.maker = 0, none
		do("VolSync: is restarted before it makes the copy", t)
		if !s.copy.there {
			if m.untilCut {
				t.copies++
			}
			t.copy = snapshot{there: true, maker: s.maker, orphan: s.creating != s.source, uid: t.copies}
			t.made = s.made || s.maker >= ours
		}
		do("VolSync: makes the copy", t)
		return
	}
	if s.source == 0 {
		return
	}
	if s.sync == 0 {
		t := s
		if s.copy.there && !s.copy.deleting && !s.copy.orphan {
			t.copy.deleting, t.copy.ready = true, false
			do("VolSync: deletes the copy after the sync", t)
		} else if s.cycles < m.cycles {
			t.cycles++
			t.sync = t.cycles
			do("VolSync: begins a sync", t)
		}
		return
	}
	m.reconcile(s, do)
}

// reconcile is one round of a sync.
func (m *model) reconcile(s state, do emit) {
	c, t := s.cached, s
	switch {
	case s.copy.there && (s.copy.deleting || s.copy.orphan): // it waits for the copy to go
	case !s.copy.there && !c.use: // volumehandler.go:518
		t.creating = s.source
		do("VolSync: does not wait, use-copy-trigger is gone", t)
	case !s.copy.there && !c.armed(): // volumehandler.go:527-541
		if s.current && (c.status != waiting || c.since == 0) {
			t.waits++
			c.status, c.since = waiting, t.waits
			do("VolSync: PUT WaitingForTrigger", t.put(c))
		}
	case !s.copy.there:
		t.creating, t.maker = s.source, c.trig
		if c.status == inProgress && c.since == 0 { // no write, so nothing says that the cache is old
			do("VolSync: goes on with InProgress without a write", t)
		} else if s.current { // volumehandler.go:569-573
			c.status, c.since = inProgress, 0
			do("VolSync: PUT InProgress", t.put(c))
		}
	case s.copy.ready && c.use && (c.status != completed || c.since != 0 || c.latest != c.trig):
		if s.current { // volumehandler.go:586-605, on every round while the copy is there
			if c.latest != c.trig && c.trig >= ours {
				t.recorded, t.recordedCut, t.recordedEarly = c.trig, s.copy.cut, s.copy.early && s.copy.maker != none
			}
			c.status, c.since, c.latest = completed, 0, c.trig
			do("VolSync: PUT Completed", t.put(c))
		}
	case s.copy.ready:
		t.sync, t.ended = 0, s.sync
		do("VolSync: the mover is done, the sync ends", t)
	}
}

// storage cuts, finishes and deletes the copy.
func (m *model) storage(s state, do emit) {
	t := s
	switch c := s.copy; {
	case !c.there:
	case c.deleting || c.orphan:
		t.copy, t.made = snapshot{}, false
		do("storage: the copy is gone", t)
	case c.cut == uncut:
		t.copy.cut = running + cut(s.frozen)
		t.unquiesced = s.unquiesced || s.frozen == 0 && c.maker >= ours && s.did&(letGo|records) == 0
		if s.recordedCut == uncut && c.maker == s.recorded { // it was recorded by somebody else
			t.recordedCut = t.copy.cut
		}
		do("storage: cuts the copy", t)
	case !c.ready:
		t.copy.ready = true
		do("storage: the copy is ready", t)
	}
}

// kind is what strangers do, each at most once, and at most model.strangers in all.
type kind uint16

const (
	setForeign kind = 1 << iota
	takeBackTrigger
	deleteCopy
	removeUse
	recreate
	letGo
	everything kind = 1<<iota - 1

	// Records that VolSync does not make for the copy of the source that waited.
	writeLatest kind = 1 << (iota - 1)
	recordElsewhere
	recordNothing
	records = writeLatest | recordElsewhere | recordNothing
)

// falseRecords are records of the trigger for no copy that the run has waited for.
func (m *model) falseRecords(s state, act func(k kind, label string, can bool, t state), do emit) {
	record := func() state {
		c := s.claim
		c.latest = c.trig
		t := s.others(c)
		if t.recorded, t.recordedCut = c.trig, uncut; s.copy.maker == c.trig {
			t.recordedCut = s.copy.cut
		}
		return t
	}
	armed := s.claim.trig >= ours && s.claim.armed()
	act(writeLatest, "writes latest-copy-trigger", armed, record())
	t := record()
	t.claim.status, t.claim.since = completed, 0
	act(recordNothing, "a manager with an old cache: PUT Completed", armed && s.sync != 0, t)
	if s.second {
		if armed {
			do("another source: PUT Completed", t)
		}
		t = s
		t.second = false
		do("stranger: deletes the other source", t)
		return
	}
	t = s
	t.second = true
	act(recordElsewhere, "makes another source", armed, t)
}

// strangers are users, other coordinators and scripts. They know no versions.
func (m *model) strangers(s state, do emit) {
	act := func(k kind, label string, can bool, t state) {
		if can && s.did&k == 0 && s.strange < m.strange && m.kinds&k != 0 {
			t.did |= k
			t.strange++
			do("stranger: "+label, t)
		}
	}
	with := func(f func(*facts)) state { c := s.claim; f(&c); return s.others(c) }
	act(setForeign, "sets copy-trigger", s.claim.trig != foreign, with(func(f *facts) { f.trig = foreign }))
	act(
		takeBackTrigger,
		"sets copy-trigger back to latest",
		s.claim.trig >= ours && s.claim.armed(),
		with(func(f *facts) { f.trig = f.latest }),
	)
	act(takeBackTrigger, "removes copy-trigger", s.claim.trig >= ours, with(func(f *facts) { f.trig = none }))
	act(removeUse, "removes use-copy-trigger", s.claim.use, with(func(f *facts) { f.use = false }))
	if !s.claim.use {
		do("stranger: puts use-copy-trigger back", with(func(f *facts) { f.use = true }))
	}
	t := s
	t.copy.deleting, t.copy.ready = true, false
	act(deleteCopy, "deletes the copy", s.copy.there && !s.copy.deleting && !s.copy.orphan, t)
	t = s
	t.source, t.sync, t.ended = 0, 0, 0
	if s.copy.there {
		t.copy = snapshot{there: true, orphan: true, maker: s.copy.maker, uid: s.copy.uid}
	}
	act(recreate, "deletes the ReplicationSource", s.source != 0, t)
	// As a cleanup does it.
	held := m.lock(s.claim.lock)
	marked := held.with(stranger)
	marked.State = Lost
	act(letGo, "marks the lock of the run as lost", held.State == Held,
		with(func(f *facts) { f.lock = m.internLock(marked) }))
	if held.Has(stranger) {
		if s.frozen != 0 {
			t := s
			t.frozen = 0
			do("stranger: UNQUIESCES", t)
		} else {
			do("stranger: takes itself off the lock", with(func(f *facts) { f.lock = m.internLock(held.without(stranger)) }))
		}
	}
	m.falseRecords(s, act, do)
	if s.source == 0 {
		t.source = 2
		do("stranger: creates the ReplicationSource again", t)
	}
}
