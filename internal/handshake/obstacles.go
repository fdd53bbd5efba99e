package handshake

import (
	"fmt"
	"strings"
)

// obstacle is something that keeps VolSync from waiting on a claim, or a run from relying on it.
type obstacle struct {
	about Aspect
	find  func(Observed) *Decision // nil: it is not in the way
}

// obstacles are all there are, in the order in which await-waiting tells them: it tells the first
// one, and [Findings] all.
func obstacles() [14]obstacle {
	return [...]obstacle{
		{AboutClaim, Observed.claimGoes},
		{AboutClaim, Observed.notEnabled},
		{AboutTrigger, Observed.armed},
		{AboutSource, Observed.notOneSource},
		{AboutSource, Observed.sourceGoes},
		{AboutMover, Observed.moverIgnores},
		{AboutMethod, Observed.methodIgnores},
		{AboutSource, Observed.paused},
		{AboutCopy, Observed.nameTooLong},
		{AboutSync, Observed.idle},
		{AboutCopy, Observed.copyGoes},
		{AboutCopy, Observed.leftOver},
		{AboutSync, Observed.notWaiting},
		{AboutClaim, Observed.unbound},
	}
}

// first returns the first of these obstacles; nil if there is none.
func (w Observed) first(finds ...func(Observed) *Decision) *Decision {
	for _, find := range finds {
		if no := find(w); no != nil {
			return no
		}
	}
	return nil
}

// sourceObstacles are those of the ReplicationSource itself: no sync of it could ever be used.
func sourceObstacles() []func(Observed) *Decision {
	return []func(Observed) *Decision{
		Observed.notOneSource, Observed.sourceGoes, Observed.moverIgnores, Observed.methodIgnores, Observed.paused,
		Observed.nameTooLong,
	}
}

func (w Observed) claimGoes() *Decision {
	if !w.Claim.Deleting {
		return nil
	}
	return refuse("it is being deleted", "wait until it is created again")
}

func (w Observed) notEnabled() *Decision {
	if w.Claim.Enabled {
		return nil
	}
	no := refuse("it has no annotation "+UseAnnotation+", so VolSync copies it without waiting", "add the annotation")
	no.Next = Move{Kind: MoveAnnotate, Key: UseAnnotation, Value: "true"}
	return no
}

func (w Observed) armed() *Decision {
	c := w.Claim
	if !c.Enabled || !c.Armed() {
		return nil
	}
	no := refuse(fmt.Sprintf("it is armed with the trigger %q, which VolSync has not recorded: "+
		"the next sync copies without waiting", c.Trigger), "find out who set it; to take it back")
	no.Next = Move{Kind: MoveAnnotate, Key: TriggerAnnotation, Value: c.Latest}
	return no
}

func (w Observed) notOneSource() *Decision {
	switch {
	case w.ClaimOnly || len(w.Sources) == 1:
		return nil
	case len(w.Sources) == 0:
		no := refuse("no ReplicationSource has it as sourcePVC, so nobody would take the trigger",
			"create the ReplicationSource, or check --namespace and the claim's name; what is there")
		no.Next = Move{Kind: MoveShow, Object: "replicationsources"}
		return no
	}
	// replicationsource_controller.go:197: "This will break if multiple
	// replicationsources use the same PVC as a source".
	no := refuse(fmt.Sprintf("%d ReplicationSources have it as sourcePVC, "+
		"and VolSync's copy triggers work with one only: %s", len(w.Sources), sourceNames(w.Sources)),
		"leave one ReplicationSource for the claim; what is there")
	no.Next = Move{Kind: MoveShow, Object: "replicationsources"}
	return no
}

func (w Observed) sourceGoes() *Decision {
	s, one := w.source()
	if !one || !s.Deleting {
		return nil
	}
	return refuse(fmt.Sprintf("ReplicationSource %s is being deleted, so nobody would take the trigger", s.Name),
		"wait until it is created again")
}

func (w Observed) moverIgnores() *Decision {
	s, one := w.source()
	if !one || Honours(s.Mover) {
		return nil
	}
	no := refuse(fmt.Sprintf("ReplicationSource %s has the mover %q, which ignores copy triggers", s.Name, s.Mover),
		"use a mover that honours them: "+moverNames())
	no.Next = Move{Kind: MoveEdit, Object: s.object()}
	return no
}

func (w Observed) methodIgnores() *Decision {
	s, one := w.source()
	if _, honoured := CopyMethodOf(s.Method); !one || honoured || !Honours(s.Mover) {
		return nil
	}
	no := refuse(fmt.Sprintf("ReplicationSource %s has copyMethod %q, which ignores copy triggers", s.Name, s.Method),
		"set copyMethod to "+copyMethodNames())
	no.Next = s.set(s.Mover, "copyMethod", CopyMethods()[0].Name)
	return no
}

func (w Observed) paused() *Decision {
	s, one := w.source()
	if !one || !s.Paused {
		return nil
	}
	// The copy would be taken and shipped only when somebody ends the pause.
	no := refuse(fmt.Sprintf("ReplicationSource %s is paused", s.Name), "set spec.paused to false")
	no.Next = Move{Kind: MovePatch, Object: s.object(), Value: `{"spec":{"paused":false}}`}
	return no
}

// longestName is how long the name of an object may be, in bytes.
const longestName = 253

// NameTooLong reports whether Kubernetes takes no object of the name of the ReplicationSource's copy.
func NameTooLong(s Source) bool { return len(CopyName(s)) > longestName }

func (w Observed) nameTooLong() *Decision {
	s, one := w.source()
	if !one || !NameTooLong(s) {
		return nil
	}
	no := refuse(fmt.Sprintf(
		"the copy of ReplicationSource %s would have a name of %d characters, and Kubernetes takes %d",
		s.Name, len(CopyName(s)), longestName),
		fmt.Sprintf("create a ReplicationSource in its place whose name has at most %d characters; to begin with",
			longestName-len(CopyName(Source{}))))
	no.Next = Move{Kind: MoveShow, Object: s.object(), Flags: "-o yaml"}
	return no
}

// idle says why no sync runs, and what begins one. Without a sync nobody waits, whatever the claim
// says: the status outlives the sync.
func (w Observed) idle() *Decision {
	s, one := w.source()
	if !one || s.SyncStart != "" {
		return nil
	}
	return s.idle()
}

// While a copy exists VolSync does not wait, and acknowledges any trigger at once
// (volumehandler.go:420, 502).
func (w Observed) copyGoes() *Decision {
	if _, one := w.source(); !one || w.Copy == nil || !w.Copy.Deleting {
		return nil
	}
	return notYet(fmt.Sprintf("the copy %s of an earlier sync is being deleted", w.Copy.Name))
}

// leftOver says what there is to know of a copy that keeps VolSync from waiting. One that no sync can
// use for good is to be deleted by a person; any other, where no sync runs, VolSync deletes itself.
func (w Observed) leftOver() *Decision {
	s, one := w.source()
	if !one || w.Copy == nil || w.Copy.Deleting || s.SyncStart == "" && !w.Copy.stuck(s) {
		return nil
	}
	return w.leftOverOf(s)
}

func (w Observed) notWaiting() *Decision {
	if w.Claim.waits() {
		return nil
	}
	s, _ := w.source()
	moves := ""
	if w.Copy != nil && s.SyncStart != "" && w.Claim.Status == StatusCompleted {
		moves = "it moves the data of the copy that is there; "
	}
	return notYet("VolSync does not wait yet: " + moves + w.Claim.describe() + s.says())
}

func (w Observed) unbound() *Decision {
	if w.Claim.Bound {
		return nil
	}
	no := notYet("it is not bound to a volume: VolSync waits, but there is nothing to copy")
	if !w.Claim.waits() {
		no.Why = "it is not bound to a volume: there is nothing to copy"
	}
	no.Hint, no.Next = "why it is not bound", Move{Kind: MoveDescribeClaim}
	return no
}

// CopyName is the name that VolSync gives its copy of the claim, whatever the mover:
// a VolumeSnapshot with copyMethod Snapshot, a claim with Clone.
func CopyName(s Source) string { return "volsync-" + s.Name + "-src" }

// object is the ReplicationSource as kubectl names it.
func (s Source) object() string { return "replicationsource/" + s.Name }

// set is the move that sets a field of a mover.
func (s Source) set(mover, field, value string) Move {
	return Move{
		Kind: MovePatch, Object: s.object(), Value: fmt.Sprintf(`{"spec":{%q:{%q:%q}}}`, mover, field, value),
	}
}

func sourceNames(ss []Source) string {
	var names []string
	for _, s := range ss {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
