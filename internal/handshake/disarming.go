package handshake

import "github.com/copytrigger/copytrigger/internal/outcome"

// lockTries is how often a write that changes the lock, too, is tried before the trigger is
// given back without it: the trigger matters most, and its own write fences as well.
const lockTries = 3

// Disarming gives back a trigger of a run that VolSync has not recorded, between its looks. A
// change of the lock is part of the same write, or one of its own. Either way a write of the
// run that is still under way fails after it, because the claim has changed.
type Disarming struct {
	Run         string
	Trigger     Trigger   // of a step that gives up; zero for any trigger of the run
	Seen        Seen      // by the step that gives up
	Lock        LockAfter // what becomes of the lock
	Process     string    // the owner to put on, with LockForCleanup
	AfterFreeze bool      // the application runs again, so the lock is not looked at

	decision    Decision
	next        Patch
	unconfirmed Decision // of the write whose reply was lost; Do is Write if there is one
	expected    Claim    // what that write would have made of the claim
	tries       uint8    // to change the lock
	denied      bool     // the lock may not be changed
	doubtful    bool     // a write of the lock may be under way still
}

// LockAfter is what becomes of a lock.
type LockAfter uint8

// What becomes of a lock.
const (
	LockStays      LockAfter = iota
	LockLost                 // a held one is lost, unless VolSync recorded the trigger
	LockForCleanup           // a held one is lost, a free claim gets that of a cleanup, and each its owner
)

// decide returns the decision about the claim, and its lock after it.
func (w *Disarming) decide(c Claim) (Decision, Lock) {
	back := Disarm(c, w.Run)
	if w.Trigger == (Trigger{}) {
		return back, w.lockOf(c)
	}
	d := Completed(c, w.Trigger, w.Seen)
	if !w.AfterFreeze {
		d = WithLock(d, c, w.Run)
	}
	w.Seen = w.Seen.With(c, w.Trigger) // for the look after a write whose reply is lost
	switch {
	case d.Do == Look:
		d = back
	case d.Outcome != outcome.OK && back.Do == Write:
		d.Do, d.Value = Write, back.Value
	case d.Outcome == outcome.OK:
		return d, c.Lock
	}
	return d, w.lockOf(c)
}

// lockOf is the lock of the claim after the disarming.
func (w *Disarming) lockOf(c Claim) Lock {
	l := c.Lock
	switch {
	case w.Lock == LockStays || l.State != Free && l.Run != w.Run || l.State == Free && w.Lock == LockLost:
		return l
	case l.State == Free:
		l = Lock{Run: w.Run, State: Cleanup}
	case l.State == Held:
		l.State = Lost
	}
	if w.Lock == LockForCleanup {
		l = l.with(w.Process)
	}
	return l
}

// Next decides about the claim as it is. An empty patch is the end, by the decision.
func (w *Disarming) Next(now Observed) (Patch, Decision) {
	c := now.Claim
	w.next = Patch{}
	if w.wasKept(c) {
		w.decision = w.unconfirmed
		return w.next, w.decision
	}
	w.doubtful = w.doubtful && !(c.Lock.Run == w.Run && c.Lock.Has(w.Process))
	var lock Lock
	w.decision, lock = w.decide(c)
	w.next.To = c
	if w.decision.Do == Write {
		w.next.SetTrigger, w.next.To.Trigger = true, w.decision.Value
	}
	if lock != c.Lock && !w.denied && (w.tries < lockTries || !w.next.SetTrigger) {
		w.next.SetLock, w.next.To.Lock = true, lock
	}
	return w.next, w.decision
}

// wasKept reports whether the write whose reply was lost is on the claim. The trigger alone
// does not prove it (VolSync may have taken ours, and somebody else have removed it), unless
// the outcome is tainted either way.
func (w *Disarming) wasKept(c Claim) bool {
	if w.unconfirmed.Do != Write {
		return false
	}
	return c == w.expected || w.unconfirmed.Outcome == outcome.Tainted && c.Trigger == w.unconfirmed.Value
}

// Replied takes the reply to the patch; passing reports whether its error may pass. It reports
// whether to look again at once.
func (w *Disarming) Replied(r Reply, passing bool) (again bool) {
	// Whatever was written on the condition of an older claim fails after a change of it, and only then.
	w.doubtful = r == Unknown && w.next.SetLock || (r == Unknown || r == NotWritten) && w.doubtful
	switch {
	case r == Conflict:
		return true
	case r == Written:
		return false
	case r == Unknown && w.next.SetTrigger:
		w.unconfirmed, w.expected = w.decision, w.next.To
	}
	if !w.next.SetLock {
		return false
	}
	w.tries++
	w.denied = !passing
	return w.denied || w.next.SetTrigger && w.tries == lockTries
}

// Decision returns the last decision; the zero Decision before the first look.
func (w *Disarming) Decision() Decision { return w.decision }

// LeavesLock reports whether all that is left to write is a lock that fences nothing: no write
// of the trigger that is under way could be kept without it. That it cannot be written is then
// no reason to fail, unless it may still be written later.
func (w *Disarming) LeavesLock() bool {
	onlyLock := w.next.SetLock && !w.next.SetTrigger
	return onlyLock && w.Trigger == (Trigger{}) && w.next.To.Lock.State == Cleanup && !w.doubtful
}

// LockInDoubt reports whether a write of the lock may be under way still.
func (w *Disarming) LockInDoubt() bool { return w.doubtful }
