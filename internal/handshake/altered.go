package handshake

import (
	"fmt"
	"strings"
)

// An admission webhook may strip or rewrite what a write sets: the reply to a write is compared
// with what was to be written.

// Try returns the patch whose dry run asks whether a run may write what its steps will write.
func Try(run string) Patch {
	to := Claim{
		Trigger: NewTrigger(run).String(), Lock: Lock{Run: run, State: Held}, LastRun: LastRun{Run: run}.String(),
	}
	return Patch{SetTrigger: true, SetLock: true, SetLastRun: true, To: to}
}

// Altered returns how the claim that came back differs from what the patch was to make of it; ""
// if it does not. A trigger that was given back may come back as any that does not arm.
func (p Patch) Altered(back Claim) string {
	var found []string
	differs := func(annotation, got, want string) {
		if got != want {
			found = append(found, fmt.Sprintf("%s came back as %q instead of %q", annotation, got, want))
		}
	}
	if p.SetTrigger && (p.To.Armed() || back.Armed()) {
		differs(TriggerAnnotation, back.Trigger, p.To.Trigger)
	}
	if p.SetLock {
		differs(LockAnnotation, back.Lock.String(), p.To.Lock.String())
	}
	return strings.Join(found, ", ")
}

// Undo returns the patch that takes back what an altered one has left on a claim, was, which had
// no such thing before: a value that is not the run's own, the run would leave alone later. It
// is empty after a write that itself gave something back.
func (p Patch) Undo(was, back Claim) Patch {
	u := Patch{To: back}
	if p.SetTrigger && back.Armed() && !was.Armed() {
		u.SetTrigger, u.To.Trigger = true, was.Trigger
	}
	if p.SetLock && back.Lock.State != Free && was.Lock.State == Free {
		u.SetLock, u.To.Lock = true, Lock{}
	}
	return u
}

// AlteredSource is Altered for the write of a ReplicationSource.
func (p Patch) AlteredSource(back Source) string {
	var found []string
	if back.Manual != p.Source.Manual {
		found = append(found, fmt.Sprintf("spec.trigger.manual came back as %q instead of %q", back.Manual, p.Source.Manual))
	}
	if back.Started != p.Source.Started {
		found = append(found, fmt.Sprintf("%s came back as %q instead of %q",
			StartedAnnotation, back.Started, p.Source.Started))
	}
	return strings.Join(found, ", ")
}

// UndoSource is Undo for the write of a ReplicationSource.
func (p Patch) UndoSource(was, back Source) Patch {
	u := Patch{Source: back}
	if was.Started == "" && (back.Manual != was.Manual || back.Started != "") {
		u.SetSource, u.Source.Manual, u.Source.Started = true, was.Manual, ""
	}
	return u
}
