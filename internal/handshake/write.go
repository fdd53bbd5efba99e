package handshake

import "github.com/copytrigger/copytrigger/internal/outcome"

// A step that writes the claim looks at it, writes on the condition that the claim is still
// what was looked at, and looks again until nothing is left to write. What it does next is
// decided here, by a value with two methods: Next, after a look, and Replied, after a write.
// Package step does the looks and the writes, and so does the search of this package's tests.

// Patch is what one conditional write changes on a claim.
type Patch struct {
	SetTrigger, SetLock bool
	To                  Claim // the claim after it
}

// Empty reports whether there is nothing to write.
func (p Patch) Empty() bool { return !p.SetTrigger && !p.SetLock }

// Annotations are the annotations that the patch sets; "" removes one.
func (p Patch) Annotations() map[string]string {
	a := map[string]string{}
	if p.SetTrigger {
		a[TriggerAnnotation] = p.To.Trigger
	}
	if p.SetLock {
		a[LockAnnotation] = p.To.Lock.String()
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
	wrote   bool // by this process
	set     bool // it was there already
	doubt   bool // about a write, which may be under way still
}

// ByClaim reports whether the claim alone answers: a trigger that is set already must not be
// taken for one that was never set because something else cannot be read.
func (f Firing) ByClaim(c Claim) bool {
	d := Fire(World{Claim: c, ClaimOnly: true}, f.Trigger)
	return d.Do == End && d.Outcome == outcome.OK
}

// Next decides about the present state. An empty patch is the end, by the decision.
func (f *Firing) Next(w World) (Patch, Decision) {
	d := Fire(w, f.Trigger)
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

// Locking is the end of await-waiting, between its looks.
type Locking struct {
	Run   string
	Wait  Wait // that the claim is locked for
	tried bool // the reply to its write was lost
}

// Doubt reports whether nobody knows where a write of the lock is. A step that gives up then
// makes sure that it fails, or is taken back: by a [Disarming] for the cleanup, and an
// [Unlocking].
func (l Locking) Doubt() bool { return l.tried }

// Next decides about the claim as it is. That it is locked for the run already means an
// attempt before this one, unless the lock is this one's own whose reply was lost. A claim whose
// wait is over is not locked: the application would be quiesced for nothing.
func (l *Locking) Next(w World) (Patch, Decision) {
	c := w.Claim
	d := TakeLock(c, l.Run)
	if l.tried && c.Lock == (Lock{l.Run, Held}) {
		d = Decision{Do: End, Outcome: outcome.OK, Why: "the claim is locked"}
	}
	if (d.Do == Write || d.Outcome == outcome.OK) && !c.in(l.Wait) {
		d = *notYet("VolSync does not wait any more as it did: " + c.describe())
	}
	p := Patch{To: c}
	if d.Do == Write {
		p.SetLock, p.To.Lock = true, Lock{l.Run, Held}
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (l *Locking) Replied(r Reply, _ bool) (again bool) {
	if r != Conflict {
		l.tried = r == Unknown
	}
	return r == Conflict
}

// Unlocking is unlock between its looks.
type Unlocking struct {
	Run         string
	MayBeFrozen bool // unquiesce did not end well
}

// Next decides about the claim as it is. One whose application may be quiesced stays locked.
func (u *Unlocking) Next(w World) (Patch, Decision) {
	c := w.Claim
	if u.MayBeFrozen && c.Lock != (Lock{u.Run, Cleanup}) {
		return Patch{}, Decision{Do: End, Outcome: outcome.Refused} // the step knows how unquiesce ended
	}
	d, p := Unlock(c, u.Run), Patch{To: c}
	if d.Do == Write {
		p.SetLock, p.To.Lock = true, Lock{}
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (u *Unlocking) Replied(r Reply, _ bool) (again bool) { return r == Conflict }
