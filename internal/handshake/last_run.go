package handshake

import (
	"cmp"
	"encoding/json"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// What a run leaves on the claim for who restores, and for alerts. Both are this program's own.
const (
	// LastRunAnnotation is how the last run has ended: a [LastRun].
	LastRunAnnotation = "copytrigger/last-run"
	// LastGoodAnnotation is when the last good copy was cut, as a time of RFC 3339. A run that fails
	// leaves it as it is.
	LastGoodAnnotation = "copytrigger/last-good-copy"
)

// LastRun is how a run has ended for a claim. Its copy is good if the outcome is ok, and VolSync's
// latest trigger still is this one: a later copy is not this run's.
type LastRun struct {
	Run     string `json:"run"`
	Outcome string `json:"outcome,omitempty"` // "" where nobody knows, or not yet
	Reason  string `json:"reason,omitempty"`  // why it did not end well, as its result says it, cut short
	Trigger string `json:"trigger,omitempty"` // "" for a run that fired nothing
	CutTime string `json:"cutTime,omitempty"` // when the storage cut the copy, as the storage says
	// FreezeSeconds is how long the application was quiesced; 0 where nobody knows.
	FreezeSeconds float64 `json:"freezeSeconds,omitempty"`
	EndedAt       string  `json:"endedAt,omitempty"` // when that was known, as a time of RFC 3339
	// Around is a time about that of the cut, for a copy whose CutTime nobody knows.
	Around string `json:"-"`
}

// ParseLastRun reads the value of [LastRunAnnotation]. It reports false if that is none.
func ParseLastRun(value string) (LastRun, bool) {
	var l LastRun
	err := json.Unmarshal([]byte(value), &l)
	return l, err == nil && l.Run != ""
}

// String returns the value of [LastRunAnnotation].
func (l LastRun) String() string {
	b, err := json.Marshal(l)
	if err != nil { // no number of seconds is infinite
		return ""
	}
	return string(b)
}

// Good reports whether the run has ended well, and VolSync has recorded no other copy since.
func (l LastRun) Good(c Claim) bool {
	return l.Outcome == string(outcome.OK) && l.Trigger != "" && l.Trigger == c.Latest
}

// keep adds to a patch how the run has ended. Without an outcome the claim tells what it can: of a lost
// run that VolSync has recorded its trigger, and else nothing.
func (p *Patch) keep(l LastRun, c Claim) {
	if l.saysLess(c) {
		return
	}
	if l.Trigger == "" && of(l.Run, c.Latest) {
		l.Trigger = c.Latest
	}
	recorded := l.Trigger != "" && l.Trigger == c.Latest
	if c.Lock.State == Lost {
		l.Reason = cmp.Or(l.Reason, "it did not end by itself: a step of it gave up, or was lost")
		if l.Outcome == "" && recorded {
			l.Outcome = string(outcome.Unverified)
		}
	}
	switch {
	case l.Outcome == string(outcome.OK) && !recorded: // whatever the run believes
		l.Outcome, l.Reason = string(outcome.Unverified), "VolSync has recorded another trigger than that of the run"
	case l.Outcome == string(outcome.OK):
		l.Reason = ""
		p.To.LastGood = cmp.Or(l.CutTime, l.Around)
	}
	l.Reason = Line(l.Reason)
	p.SetLastRun, p.To.LastRun = true, l.String()
}

// saysLess reports whether the claim says more of the run already. An engine may start an attempt, and
// stop it at once, after one that has told why it failed.
func (l LastRun) saysLess(c Claim) bool {
	was, known := ParseLastRun(c.LastRun)
	return known && was.Run == l.Run && was.Outcome != "" && l.Outcome == string(outcome.Signalled) &&
		outcome.Worse(outcome.Outcome(was.Outcome), outcome.Signalled)
}

// RunHint returns what to do about a claim on which nothing is in the way of a run; "" for nothing, as
// after a run that has ended well.
func (w Observed) RunHint() string {
	if w.Claim.Lock.State != Free || w.Claim.Armed() {
		return ""
	}
	last, known := ParseLastRun(w.Claim.LastRun)
	does, _ := w.Activity()
	switch o := outcome.Outcome(last.Outcome); {
	case o == outcome.Tainted, o == outcome.Unverified, known && o != outcome.OK && does == SyncWaits:
		return "start another run"
	case !known && does == SyncWaits:
		return "start a run"
	}
	return ""
}

// Keeping writes how a run has ended that has unlocked its claim before it could know.
type Keeping struct{ Last LastRun }

// Next decides about the claim as it is. What another run has left stays.
func (k *Keeping) Next(w Observed) (Patch, Decision) {
	p := Patch{To: w.Claim}
	d := Decision{Do: End, Outcome: outcome.OK, Why: "another run has ended since"}
	was, known := ParseLastRun(w.Claim.LastRun)
	if !known || was.Run != k.Last.Run {
		return p, d
	}
	p.keep(k.Last, w.Claim)
	l, _ := ParseLastRun(p.To.LastRun)
	if l.Reason, l.EndedAt = was.Reason, was.EndedAt; l == was { // and it was told when it was written
		return Patch{To: w.Claim}, d
	}
	d.Do = Write
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (k *Keeping) Replied(r Reply, _ bool) (again bool) { return r == Conflict }
