package handshake

import (
	"encoding/json"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// VolSync begins a sync of an idle ReplicationSource when spec.trigger.manual differs from
// status.lastManualSync, whatever its schedule says (statemachine/machine.go, shouldSync). As long
// as manual is set, the schedule rests. When a sync ends, lastManualSync becomes what manual is
// then: a value that is put back while the sync runs begins no other one, and one that is put back
// later does.

// StartedAnnotation is this program's own, on a ReplicationSource: a [Started].
const StartedAnnotation = "copytrigger/started-by"

// Started is a manual trigger that a start-sync has set. It is written with it, so that whoever
// comes after a start-sync that was lost knows what to put back.
type Started struct {
	Run    string `json:"run"`
	Manual string `json:"manual"`        // that it has set
	Was    string `json:"was,omitempty"` // what was there; "" for nothing
}

// readStarted reads the value of [StartedAnnotation]. It reports false where that is none.
func readStarted(value string) (Started, bool) {
	var st Started
	err := json.Unmarshal([]byte(value), &st)
	return st, err == nil && st.Run != ""
}

func (st Started) String() string {
	text, err := json.Marshal(st)
	if err != nil {
		return ""
	}
	return string(text)
}

// Starting is start-sync between its looks: it sets a manual trigger, waits until VolSync has begun
// a sync, and puts back what was there.
//
// A record means one thing: when it was written, the ReplicationSource was idle. So a sync that
// runs has begun after that, and whoever sees one may put back what was there.
type Starting struct {
	Run    string
	Manual string // to set: no other start-sync has the same
	source Source // as it was when this process set it; its UID is "" before
	asks   bool   // the last patch sets it
	asked  bool   // one has, of this process or of another of the run
	doubt  bool   // about a write, which may be under way still
	begun  bool
}

// Begun reports whether a sync runs that this run has asked for.
func (st *Starting) Begun() bool { return st.begun }

// MayBeSet reports whether a manual trigger of the run may be set.
func (st *Starting) MayBeSet() bool { return st.asked }

// GiveUp returns how to put back what a start-sync that ends early has replaced.
func (st *Starting) GiveUp() PuttingBack { return PuttingBack{Run: st.Run, doubt: st.doubt} }

// Next decides about the present state. A Write without an outcome is followed by another look.
func (st *Starting) Next(w Observed) (Patch, Decision) {
	s, _ := w.source()
	st.asks = false
	rec, recorded := readStarted(s.Started)
	ours := recorded && rec.Run == st.Run
	st.doubt, st.asked = st.doubt && !ours, st.asked || ours
	if no := w.first(sourceObstacles()...); no != nil {
		return Patch{}, *no
	}
	switch {
	case s.SyncStart != "":
		st.begun = ours || st.source.UID != ""
		d := w.runs(s, st.Run, st.begun)
		if !recorded {
			return Patch{}, d
		}
		d.Do = Write // what it decides follows, or another look does
		return s.putBack(rec), d
	case recorded:
		return st.idle(s, rec)
	case s.Started != "":
		return Patch{}, *refuse(fmt.Sprintf("ReplicationSource %s has an annotation %s that no start-sync has written: %q",
			s.Name, StartedAnnotation, Line(s.Started)), "remove the annotation")
	case st.doubt: // it is not written, or not yet
	case st.source.UID == s.UID && s.LastSync != st.source.LastSync:
		st.begun = true
		return Patch{}, Decision{Do: End, Outcome: outcome.OK,
			Why: fmt.Sprintf("the sync of ReplicationSource %s has begun, and has ended already", s.Name)}
	case st.source.UID != "":
		return Patch{}, reverted(s, s.Manual)
	}
	if no := w.startable(s, st.Run); no != nil {
		return Patch{}, *no
	}
	p := s.patch(st.Manual, Started{Run: st.Run, Manual: st.Manual, Was: s.Manual}.String())
	st.source, st.asks, st.asked = s, true, true // until a reply says that it is not written
	return p, Decision{Do: Write, Why: fmt.Sprintf("ReplicationSource %s is asked for a sync", s.Name)}
}

// idle decides about a ReplicationSource that is idle, and has the record of a start-sync.
func (st *Starting) idle(s Source, rec Started) (Patch, Decision) {
	switch {
	case s.Manual != rec.Manual && rec.Run == st.Run:
		d := reverted(s, s.Manual)
		d.Do = Write
		return s.putBack(rec), d
	case s.Manual != rec.Manual:
		return s.putBack(rec), Decision{Do: Write,
			Why: fmt.Sprintf("run %s had asked for a sync, and somebody has taken that back", rec.Run)}
	case s.LastManual == rec.Manual: // the sync has ended, and nobody has put back what was there
		return s.putBack(rec), Decision{Do: Write,
			Why: fmt.Sprintf("a start-sync of run %s was lost: what it had replaced is put back", rec.Run)}
	}
	return Patch{}, *notYet(fmt.Sprintf("VolSync has not begun the sync of ReplicationSource %s that run %s has asked for",
		s.Name, rec.Run) + s.says())
}

// Replied takes the reply to the patch. It reports whether to look again.
func (st *Starting) Replied(r Reply, _ bool) (again bool) {
	st.doubt = r == Unknown || r != Written && st.doubt // a conflict may be with its own write
	if (r == Conflict || r == NotWritten) && st.asks && !st.doubt {
		st.source = Source{}
	}
	return r == Conflict
}

// reverted is the end of a start-sync whose manual trigger somebody has replaced before VolSync saw it.
func reverted(s Source, manual string) Decision {
	return *refuse(fmt.Sprintf("somebody has set spec.trigger.manual of ReplicationSource %s to %q "+
		"before VolSync began the sync", s.Name, Line(manual)),
		"if a GitOps controller owns that field, let it ignore differences of spec.trigger.manual, "+
			"or change manual in Git instead of start-sync")
}

// runs decides about a sync that runs. One of somebody else's, in which VolSync does not wait any
// more, is of no use to the run: another is started when it has ended.
func (w Observed) runs(s Source, run string, begun bool) Decision {
	if begun {
		return Decision{Do: End, Outcome: outcome.OK,
			Why: fmt.Sprintf("VolSync has begun the sync of ReplicationSource %s at %s", s.Name, s.SyncStart)}
	}
	why := fmt.Sprintf("ReplicationSource %s runs a sync since %s already", s.Name, s.SyncStart)
	if w.Copy == nil || w.Copy.Deleting {
		return Decision{Do: End, Outcome: outcome.OK, Why: why + ", and is left alone"}
	}
	if no := w.mayStart(run); no != nil {
		return *no
	}
	if w.Copy.stuck(s) {
		return *w.leftOverOf(s)
	}
	return *notYet(why + ", in which VolSync does not wait any more, for its copy exists: " +
		"another is started when it has ended" + s.says())
}

// mayStart returns why no sync is started for a run, by the claim alone.
func (w Observed) mayStart(run string) *Decision {
	if no := w.first(Observed.claimGoes, Observed.notEnabled, Observed.armed); no != nil {
		return no
	}
	if lock := TakeLock(w.Claim, run); lock.Do != Write {
		return &lock
	}
	return nil
}

// startable returns why no sync of an idle ReplicationSource is started, or not yet.
func (w Observed) startable(s Source, run string) *Decision {
	if no := w.mayStart(run); no != nil {
		return no
	}
	if no := w.copyGoes(); no != nil {
		return no
	}
	switch {
	case w.Copy != nil:
		return w.leftOverOf(s)
	case s.LastSync == "":
		return notYet(fmt.Sprintf("VolSync has not begun the first sync of ReplicationSource %s, which it does by itself",
			s.Name) + s.says())
	case s.Manual == "" && s.Schedule == "":
		return notYet(fmt.Sprintf("ReplicationSource %s has no trigger, so VolSync begins the next sync by itself",
			s.Name) + s.says())
	case s.Manual != "" && s.Manual != s.LastManual:
		return notYet(fmt.Sprintf("VolSync has not begun the sync of ReplicationSource %s "+
			"that its manual trigger %q asks for", s.Name, Line(s.Manual)) + s.says())
	}
	return nil
}

// patch is the write that sets manual and the record, both "" for none.
func (s Source) patch(manual, record string) Patch {
	p := Patch{SetSource: true, Source: s}
	p.Source.Manual, p.Source.Started = manual, record
	return p
}

// putBack is the write that ends what a record says. A value of anybody else's stays.
func (s Source) putBack(rec Started) Patch {
	manual := s.Manual
	if manual == rec.Manual {
		manual = rec.Was
	}
	return s.patch(manual, "")
}

// PuttingBack ends what a start-sync of a run has left, between its looks: one that gives up, or was
// lost.
type PuttingBack struct {
	Run   string
	doubt bool // about a write of the run, which may be under way still
}

// Next decides about the present state. What another run has left stays.
func (b *PuttingBack) Next(w Observed) (Patch, Decision) {
	none := Decision{Do: End, Outcome: outcome.OK, Why: "no start-sync of run " + b.Run + " has left anything"}
	for _, s := range w.Sources {
		rec, recorded := readStarted(s.Started)
		switch {
		case recorded && rec.Run == b.Run:
			return s.putBack(rec), Decision{Do: Write, Outcome: outcome.OK, Why: s.restores(rec)}
		case b.doubt && !recorded:
			// A write that is under way fails after any other.
			return s.patch(s.Manual, Started{Run: b.Run, Was: s.Manual, Manual: s.Manual}.String()),
				Decision{Do: Write, Why: "a write of start-sync may be under way"}
		}
	}
	return Patch{}, none
}

// restores says what becomes of a manual trigger that is put back.
func (s Source) restores(rec Started) string {
	switch {
	case s.Manual != rec.Manual:
		return fmt.Sprintf("the record of start-sync is off ReplicationSource %s, "+
			"whose manual trigger is not start-sync's any more", s.Name)
	case rec.Was == "":
		return fmt.Sprintf("the manual trigger of start-sync is off ReplicationSource %s", s.Name)
	}
	why := fmt.Sprintf("the manual trigger of ReplicationSource %s is %q again", s.Name, Line(rec.Was))
	if s.SyncStart == "" && s.LastManual == rec.Manual {
		why += ", with which VolSync begins another sync, and waits in it"
	}
	return why
}

// Replied takes the reply to the patch. It reports whether to look again.
func (b *PuttingBack) Replied(r Reply, _ bool) (again bool) {
	if r == Written {
		b.doubt = false
	}
	return r == Conflict
}
