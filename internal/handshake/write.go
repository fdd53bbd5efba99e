package handshake

import "github.com/copytrigger/copytrigger/internal/outcome"

// A step that writes the claim looks at it, writes on the condition that the claim is still
// what was looked at, and looks again until nothing is left to write. What it does next is
// decided here, by a value with two methods: Next, after a look, and Replied, after a write.
// Package step does the looks and the writes, and so does the search of this package's tests.

// Patch is what one conditional write changes: on a claim, or on its ReplicationSource.
type Patch struct {
	SetTrigger, SetLock, SetLastRun bool
	To                              Claim // the claim after it

	SetSource bool   // Manual and Started
	Source    Source // the ReplicationSource after it
}

// Empty reports whether there is nothing to write.
func (p Patch) Empty() bool { return !p.SetTrigger && !p.SetLock && !p.SetLastRun && !p.SetSource }

// Annotations are the annotations that the patch sets; "" removes one.
func (p Patch) Annotations() map[string]string {
	a := map[string]string{}
	if p.SetTrigger {
		a[TriggerAnnotation] = p.To.Trigger
	}
	if p.SetLock {
		a[LockAnnotation] = p.To.Lock.String()
	}
	if p.SetLastRun {
		a[LastRunAnnotation] = p.To.LastRun
		if p.To.LastGood != "" {
			a[LastGoodAnnotation] = p.To.LastGood
		}
	}
	return a
}

// Reply is what is known of a write.
type Reply uint8

// The replies.
const (
	Written    Reply = iota // it is done
	Conflict                // it is not done: the claim has changed since the look
	NotWritten              // it is not done, for another reason
	Unknown                 // it may be done, or not, or be under way still
)

// Firing is fire-trigger between its looks.
type Firing struct {
	Trigger Trigger
	Wait    Wait // that this claim has to be in, of a group; zero where the trigger alone tells
	wrote   bool // by this process
	set     bool // it was there already
	doubt   bool // about a write, which may be under way still
}

// ByClaim reports whether the claim alone answers: a trigger that is set already must not be
// taken for one that was never set because something else cannot be read.
func (f Firing) ByClaim(c Claim) bool {
	d := Fire(Observed{Claim: c, ClaimOnly: true}, f.Trigger)
	return d.Do == End && d.Outcome == outcome.OK
}

// Next decides about the present state. An empty patch is the end, by the decision.
func (f *Firing) Next(w Observed) (Patch, Decision) {
	d := Fire(w, f.Trigger)
	if f.Wait != (Wait{}) {
		d = fireInto(w, f.Trigger, func(wait Wait) bool { return wait == f.Wait })
	}
	if f.set = d.Do == End && d.Outcome == outcome.OK; f.set {
		f.doubt = false
	}
	d = WithLock(d, w.Claim, f.Trigger.run)
	p := Patch{To: w.Claim}
	if d.Do == Write {
		p.SetTrigger, p.To.Trigger = true, d.Value
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (f *Firing) Replied(r Reply, _ bool) (again bool) {
	f.wrote = r == Written
	f.doubt = f.doubt && !f.wrote || r == Unknown
	return r == Conflict
}

// Wrote reports whether this process has set the trigger. It has not where an earlier attempt
// did.
func (f Firing) Wrote() bool { return f.wrote }

// Doubt reports whether nobody knows where a write of the trigger is.
func (f Firing) Doubt() bool { return f.doubt }

// MayBeSet reports whether the trigger is set, or may be. It is then to be given back if nobody
// will wait for it.
func (f Firing) MayBeSet() bool { return f.wrote || f.set || f.doubt }

// GiveUp returns how to give the trigger back.
func (f Firing) GiveUp() Disarming {
	w := Disarming{Run: f.Trigger.run, Trigger: f.Trigger, Seen: Seen{Fired: f.wrote || f.set}}
	if f.doubt {
		w.Lock = LockLost
	}
	return w
}
