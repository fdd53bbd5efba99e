package handshake

import (
	"fmt"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Locking is the end of await-waiting, between its looks.
type Locking struct {
	Run     string
	Process string // the owner
	Wait    Wait   // that the claim is locked for
	tried   bool   // the reply to its write was lost
}

// Doubt reports whether nobody knows where a write of the lock is. A step that gives up then
// makes sure that it fails, or is taken back: by a [Disarming] for the cleanup, and an
// [Unlocking].
func (l Locking) Doubt() bool { return l.tried }

// Next decides about the claim as it is. That it is locked for the run already means an
// attempt before this one, unless the lock is this process' own, whose reply was lost. A claim
// whose wait is over is not locked: the application would be quiesced for nothing.
func (l *Locking) Next(w Observed) (Patch, Decision) {
	c, own := w.Claim, Lock{l.Run, Held, l.Process}
	d := TakeLock(c, l.Run)
	if c.Lock == own {
		d = Decision{Do: End, Outcome: outcome.OK, Why: "the claim is locked"}
	}
	if (d.Do == Write || d.Outcome == outcome.OK) && !c.in(l.Wait) {
		d = *notYet("VolSync does not wait any more as it did: " + c.describe())
	}
	p := Patch{To: c}
	if d.Do == Write {
		p.SetLock, p.To.Lock = true, own
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (l *Locking) Replied(r Reply, _ bool) (again bool) {
	if r != Conflict {
		l.tried = r == Unknown || r == NotWritten && l.tried
	}
	return r == Conflict
}

// Unquiescing is what comes right before each attempt to unquiesce: it must not end another run's
// freeze, and none may begin before it has ended. So the process is to be an owner of the lock.
type Unquiescing struct {
	Run, Process string
	Cleanup      bool // what has locked the claim before is lost
	doubt        bool // about a write, which may be under way still
}

// Next decides about the claim as it is. Ok means that the application may be let run.
func (u *Unquiescing) Next(w Observed) (Patch, Decision) {
	l, p := w.Claim.Lock, Patch{To: w.Claim}
	switch {
	case l.State != Free && l.Run != u.Run:
		return p, *refuse(fmt.Sprintf("run %s has locked the claim meanwhile, and its application is left alone", l.Run),
			"let one run at a time coordinate a claim")
	case l.State == Held && l.Owners != "" && l.Own() != u.Process && !u.Cleanup:
		return p, *refuse(
			"another attempt of run "+u.Run+" has locked the claim meanwhile, and its application is left alone",
			"let one attempt of a run at a time coordinate a claim")
	case l.State == Free:
		l = Lock{u.Run, Cleanup, u.Process}
	default:
		if l = l.with(u.Process); l.State == Held && u.Cleanup {
			l.State = Lost
		}
	}
	d := Decision{Do: End, Outcome: outcome.OK, Why: "the claim is locked by run " + u.Run}
	if l != w.Claim.Lock {
		d.Do, p.SetLock, p.To.Lock = Write, true, l
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (u *Unquiescing) Replied(r Reply, _ bool) (again bool) {
	u.doubt = r == Unknown
	return r == Conflict
}

// Doubt reports whether nobody knows where its write is.
func (u *Unquiescing) Doubt() bool { return u.doubt }

// EndingOwner is what an owner writes that could not let the application run, and stops trying. No
// attempt of its own may be under way any more. Whether the application runs is as open as before.
type EndingOwner struct{ Run, Process string }

// Next decides about the claim as it is.
func (e *EndingOwner) Next(w Observed) (Patch, Decision) {
	l, p := w.Claim.Lock, Patch{To: w.Claim}
	left := l
	switch {
	case !l.Of(e.Run) || !l.Has(e.Process):
	case l.Own() == e.Process:
		others := l.owners()[1:]
		left.State, left.Owners = Lost, strings.Join(append([]string{EndedOwner(e.Process)}, others...), "/")
	default:
		left = l.without(e.Process)
	}
	d := Decision{Do: End, Outcome: outcome.OK, Why: "no process of run " + e.Run + " is waited for in vain"}
	if left != l {
		d.Do, p.SetLock, p.To.Lock = Write, true, left
	}
	return p, d
}

// Replied takes the reply to the patch. It reports whether to look again.
func (e *EndingOwner) Replied(r Reply, _ bool) (again bool) { return r == Conflict }

// Unlocking is unlock between its looks.
type Unlocking struct {
	Run         string
	Off         string // the owners to take off, with a slash in between
	Own         bool   // and the run's own, whatever its id is
	All         bool   // and every other
	MayBeFrozen bool   // unquiesce did not end well
	// Last is how the run has ended: it is kept when the run's own owner is taken off. Its Run is ""
	// where nobody asks for that.
	Last LastRun
	kept string // of the last patch
}

// Next decides about the claim as it is. Another run's lock is left, and so is that of a claim
// whose application may be quiesced.
func (u *Unlocking) Next(w Observed) (Patch, Decision) {
	l, p := w.Claim.Lock, Patch{To: w.Claim}
	u.kept = ""
	switch {
	case l.State == Free:
		return p, Decision{Do: End, Outcome: outcome.OK, Why: "the claim is not locked"}
	case l.Run != u.Run:
		return p, Decision{Do: End, Outcome: outcome.OK,
			Why: fmt.Sprintf("the claim is locked by run %s, and stays so", l.Run)}
	case u.MayBeFrozen && l.State != Cleanup:
		return p, Decision{Do: End, Outcome: outcome.Refused} // the step knows how unquiesce ended
	}
	left := u.after(l)
	d := Decision{Do: End, Outcome: outcome.OK, Why: "the claim is unlocked"}
	if left.State != Free {
		d.Why = "the claim stays locked by another process of run " + u.Run + ", which unlocks it"
		d.Hint, d.Next = "if none lives any more", Move{Kind: MoveUnlock, Run: u.Run}
	}
	if left != l {
		d.Do, p.SetLock, p.To.Lock = Write, true, left
	}
	if u.Last.Run != "" && l.State != Cleanup && left.State != l.State {
		if p.keep(u.Last, w.Claim); p.SetLastRun {
			u.kept = p.To.LastRun
		}
	}
	return p, d
}

// after is the lock without what is to be taken off.
func (u *Unlocking) after(l Lock) Lock {
	if u.All {
		return Lock{}
	}
	off := append(strings.Split(u.Off, "/"), Fence)
	if u.Own {
		off = append(off, l.Own())
	}
	return l.without(off...)
}

// Replied takes the reply to the patch. It reports whether to look again. A policy that refuses to
// keep how the run has ended must not keep the claim locked.
func (u *Unlocking) Replied(r Reply, passing bool) (again bool) {
	if r == NotWritten && !passing && u.Last != (LastRun{}) {
		u.Last = LastRun{}
		return true
	}
	return r == Conflict
}

// Kept returns what its last patch says of how the run has ended. It reports false if that is nothing.
func (u *Unlocking) Kept() (LastRun, bool) { return ParseLastRun(u.kept) }
