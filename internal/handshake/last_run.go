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
	Trigger string `json:"trigger,omitempty"` // "" for a run that fired nothing
	CutTime string `json:"cutTime,omitempty"` // when the storage cut the copy, as the storage says
	// FreezeSeconds is how long the application was quiesced; 0 where nobody knows.
	FreezeSeconds float64 `json:"freezeSeconds,omitempty"`
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

// keep adds to a patch how the run has ended. Without an outcome the claim tells what it can.
func (p *Patch) keep(l LastRun, c Claim) {
	if l.Trigger == "" && of(l.Run, c.Latest) {
		l.Trigger = c.Latest
	}
	if c.Lock.State == Lost && l.Outcome == "" {
		l.Outcome = string(outcome.Withdrawn)
		if l.Trigger != "" && l.Trigger == c.Latest {
			l.Outcome = string(outcome.Unverified)
		}
	}
	if l.Outcome == string(outcome.OK) && l.Trigger != c.Latest {
		l.Outcome = string(outcome.Unverified) // whatever the run believes
	}
	p.SetLastRun, p.To.LastRun = true, l.String()
	if l.Outcome == string(outcome.OK) {
		p.To.LastGood = cmp.Or(l.CutTime, l.Around)
	}
}

// Keeping writes how a run has ended that has unlocked its claim before it could know.
type Keeping struct{ Last LastRun }

// Next decides about the claim as it is. What another run has left stays.
func (k *Keeping) Next(w Observed) (Patch, Decision) {
	p := Patch{To: w.Claim}
	d := Decision{Do: End, Outcome: outcome.OK, Why: "another run has ended since"}
	if was, known := ParseLastRun(w.Claim.LastRun); !known || was.Run != k.Last.Run {
		return p, d
	}
	if p.keep(k.Last, w.Claim); p.To.LastRun == w.Claim.LastRun {
		return Patch{To: w.Claim}, d
	}
	d.Do = Write
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (k *Keeping) Replied(r Reply, _ bool) (again bool) { return r == Conflict }
