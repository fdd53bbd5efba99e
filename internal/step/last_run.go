package step

import (
	"context"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/events"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// tell tells of the claim in an Event.
func (s Step) tell(warning bool, reason, message string) {
	if s.Events != nil {
		s.Events.Tell(events.Event{Claim: s.Claim, Warning: warning, Reason: reason, Message: message})
	}
}

// tellEnd tells how the last run has ended, and why, as far as that is known.
func (s Step) tellEnd(l handshake.LastRun) {
	run, because := "run "+l.Run, ""
	if l.Reason != "" {
		because = ": " + handshake.Line(l.Reason)
	}
	switch o := outcome.Outcome(l.Outcome); o {
	case "":
		if because != "" {
			s.tell(true, "Failed", run+because)
		}
	case outcome.OK:
		s.tell(false, "CopyGood", run+": VolSync recorded the trigger "+l.Trigger+
			" for a copy of the quiesced application, and the application runs again")
	case outcome.Withdrawn:
		s.tell(true, "Withdrawn", run+" gave back its trigger before VolSync took it: there is no copy of it"+because)
	case outcome.Tainted:
		s.tell(true, "Tainted", run+": a copy was made, or may be, that is not of a quiesced application; "+
			"do not restore it"+because)
	case outcome.Unverified:
		s.tell(true, "Unverified", run+": VolSync recorded a copy that cannot be tied to the freeze; "+
			"do not restore it"+because)
	default:
		s.tell(true, "Failed", run+" ended with "+l.Outcome+": "+o.Meaning()+because)
	}
}

// keepLastRun writes how the run has ended on the members, which are unlocked already. That it cannot is
// no error: what stands there says that it is not known.
func (g Group) keepLastRun(ctx context.Context, lasts []handshake.LastRun) {
	g.each(func(i int, s Step) error {
		ctx, cancel := limit(ctx, unlockLimit)
		defer cancel()
		lasts[i].EndedAt = rightNow()
		k := handshake.Keeping{Last: lasts[i]}
		d, err := s.apply(ctx, loop{passes: kube.Passing, whole: true}, &k)
		switch {
		case err != nil:
			s.Log.Warn(s.subject() + ": how the run has ended could not be kept on the claim: " + err.Error())
		case d.Do == handshake.Write:
			s.tellEnd(lasts[i])
		}
		return nil
	})
}

// rightNow is the time as the claim has it.
func rightNow() string { return time.Now().UTC().Format(time.RFC3339) }

// lostRun returns how a lost run has ended, as far as its cleanup has seen. A cleanup that found nothing
// armed does not know.
func (d Disarmed) lostRun(run string) handshake.LastRun {
	l := handshake.LastRun{Run: run}
	if d.Outcome == outcome.Withdrawn || d.Outcome == outcome.Tainted {
		l.Outcome = string(d.Outcome)
	}
	return l
}

// lastRuns are how the run has ended for its members, as far as it is known when the application
// runs again.
func (r *running) lastRuns(err error) []handshake.LastRun {
	lasts := make([]handshake.LastRun, len(r.group))
	for i := range lasts {
		l := handshake.LastRun{Run: r.options.Run, Outcome: string(outcome.OK)}
		if !r.fired.IsZero() {
			l.Trigger = r.ran.Waiting.Trigger.String()
		}
		if frozen, known := r.options.Times.between(quiesceBegins, runsAgain); known {
			l.FreezeSeconds = Seconds(frozen)
		}
		switch {
		case err != nil:
			ending := endingOf(err)
			l.Outcome = string(ending.Outcome)
			l.Reason = strings.ReplaceAll(ending.Error(), r.step.subject()+": ", "") // it stands on the claim
		case r.uncertain() != nil && !r.verified:
			l.Outcome = "" // VolSync has not recorded it yet
		}
		if err == nil && i < len(r.ran.Copied) {
			l.CutTime = r.ran.Copied[i].CutTime
		}
		if i < len(r.ran.Waiting.Members) {
			l.Around = r.ran.Waiting.Members[i].Since
		}
		lasts[i] = l
	}
	return lasts
}

// tellFrozen tells that the application has been quiesced for too long.
func (r *running) tellFrozen(why string) {
	for _, s := range r.group {
		s.tell(true, "FrozenTooLong", "run "+r.options.Run+": "+why)
	}
}

// End is how the last run of a claim has ended, as the claim says.
type End struct {
	Claim    string
	Last     handshake.LastRun // its Run is "" where none has left anything
	LastGood string            // when the last good copy was cut; "" if there was none
	Locked   bool              // a run is under way, or was lost
}

// Ends looks at every member.
func (g Group) Ends(ctx context.Context) ([]End, error) {
	ctx, cancel := limit(ctx, lookLimit)
	defer cancel()
	sts, err := g.lookAtClaims(ctx)
	var ends []End
	for i, st := range sts {
		c := st.observed.Claim
		last, _ := handshake.ParseLastRun(c.LastRun)
		ends = append(ends, End{g[i].Claim, last, c.LastGood, c.Lock.State != handshake.Free})
	}
	return ends, err
}
