package handshake

import (
	"fmt"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Why there is no wait, in the words of whoever knows.

// idle says why no sync runs, and what begins one.
func (s Source) idle() *Decision {
	var next Move
	why := fmt.Sprintf("ReplicationSource %s has no sync running", s.Name)
	switch {
	case s.Trouble != "": // says follows
	case s.Manual != "" && s.Manual == s.LastManual:
		why += fmt.Sprintf("; its trigger %q has been synced", Line(s.Manual))
		next = Move{Kind: MoveStartSync}
	case s.NextSync != "":
		why += "; the next is due at " + s.NextSync
	}
	return &Decision{Do: Look, Why: why + s.says(), Next: next}
}

// Rests reports whether a sync could be started for a wait: none runs, and nothing is wrong with the
// ReplicationSource.
func Rests(w Observed) bool {
	s, one := w.source()
	return one && s.SyncStart == "" && s.Trouble == ""
}

// says adds what the ReplicationSource says itself; "" if nothing is wrong.
func (s Source) says() string {
	var says string
	if s.Trouble != "" {
		says = fmt.Sprintf("; ReplicationSource %s says: %s", s.Name, s.Trouble)
	}
	if s.MoverResult == "Failed" {
		says += "; its mover's last result is Failed"
		if s.MoverLog != "" {
			says += ": " + s.MoverLog
		}
	}
	return says
}

// stuck reports whether no sync of the ReplicationSource can use the copy for good.
func (c Copy) stuck(s Source) bool { return c.Owner != s.UID || c.Problem != "" }

// leftOverOf says what there is to know of a copy that keeps VolSync from waiting.
func (w Observed) leftOverOf(s Source) *Decision {
	c := w.Copy
	var next Move
	var b strings.Builder
	fmt.Fprintf(&b, "the copy %s exists already", c.Name)
	if c.Created != "" {
		fmt.Fprintf(&b, ", made at %s", c.Created)
	}
	sync := "this"
	if s.SyncStart == "" {
		sync = "the next"
	}
	b.WriteString(", so VolSync does not wait in " + sync + " sync")
	if c.Owner != s.UID {
		fmt.Fprintf(&b, "; it is not ReplicationSource %s's, but %s", s.Name, c.ownedBy())
	}
	if c.Problem != "" {
		fmt.Fprintf(&b, "; the storage reports for it: %s", c.Problem)
	}
	b.WriteString(s.says())
	if c.stuck(s) {
		kind := "persistentvolumeclaim"
		if seesCut(s) {
			kind = "volumesnapshot"
		}
		next = Move{Kind: MoveDelete, Object: kind + "/" + c.Name}
	}
	return &Decision{Do: Look, Why: b.String(), Next: next}
}

func (c Copy) ownedBy() string {
	if c.OwnerName == "" {
		return "nobody's"
	}
	return c.OwnerName + "'s"
}

// Copying says how far the copy of a claim is that VolSync copies, as far as the storage tells.
func (w Observed) Copying() string {
	if len(w.Sources) != 1 {
		return ""
	}
	s := w.Sources[0]
	switch c := w.Copy; {
	case c == nil:
		return fmt.Sprintf("; the copy of ReplicationSource %s is not there yet", s.Name) + s.says()
	case c.Problem != "" && c.Cut == "":
		// Not the end: drivers report errors that pass (VolSync never reads this either).
		return fmt.Sprintf("; the storage reports for %s: %s", c.Name, c.Problem)
	case !seesCut(s) && !c.Bound:
		return fmt.Sprintf("; the clone %s is not bound yet; with a storage class that waits for its first consumer "+
			"that is VolSync's mover, which must be scheduled first", c.Name)
	case !seesCut(s):
		return fmt.Sprintf("; the clone %s is bound", c.Name)
	case c.Cut != "":
		return fmt.Sprintf("; %s was cut at %s and is not ready to use yet", c.Name, c.Cut)
	}
	return fmt.Sprintf("; %s is not cut yet", w.Copy.Name)
}

// WaitsAnew decides for a step that took its trigger back while VolSync was copying. No copy was
// made if VolSync waits again and there is none: it can have begun to wait only by a write that
// has seen the trigger gone, and makes its copies in between such writes.
func WaitsAnew(w Observed) Decision {
	_, no := w.waiting()
	switch {
	case w.ClaimOnly || w.Copy != nil || no != nil && no.Do == End:
		return Decision{Do: End, Outcome: outcome.Tainted}
	case no != nil:
		return *no
	}
	return Decision{Do: End, Outcome: outcome.Withdrawn,
		Why: "VolSync waits again, and there is no copy: none was made"}
}
