package step

import (
	"log/slog"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
)

// The steps of a run, in its order. quiesce and unquiesce are the user's.
const (
	nameAwaitWaiting   = "await-waiting"
	nameQuiesce        = "quiesce"
	nameFireTrigger    = "fire-trigger"
	nameAwaitCompleted = "await-completed"
	nameFireAndAwait   = "fire-and-await" // the two above in one process
	nameDisarm         = "disarm"
	nameUnquiesce      = "unquiesce"
	namePodsEnded      = "await-pods-ended" // of the clean-up, before the other two
	nameUnlock         = "unlock"
)

// RunSteps are the names of the steps that a verdict is made of.
func RunSteps() []string {
	return []string{nameAwaitWaiting, nameQuiesce, nameFireTrigger, nameAwaitCompleted, nameDisarm, nameUnquiesce, namePodsEnded, nameUnlock, nameFireAndAwait}
}

// Report is how one step of a run ended.
type Report struct {
	Step    string
	Exit    quiesce.Exit
	Outcome handshake.Outcome // by its exit code; "" if that is none of a step's own: it was killed, or did not end
	Stop    Stop              // of an outcome signalled
	kept    bool              // of a user's command: record may have kept it from running
}

// failed is false for a step that is not given.
func (r Report) failed() bool { return r.Step != "" && r.Outcome != handshake.OK }

// Reports are the reports of a run by the names of the steps.
type Reports map[string]Report

// NewReports reads exit codes, by what each means for a step of this program. How the
// user's own commands number their failures means nothing to us.
func NewReports(exits map[string]quiesce.Exit, meaning func(code int) (handshake.Outcome, Stop)) Reports {
	rs := Reports{}
	for name, exit := range exits {
		r := Report{Step: name, Exit: exit}
		switch {
		case exit.OK():
			r.Outcome = handshake.OK
		case exit.Ended && name != nameQuiesce && name != nameUnquiesce:
			r.Outcome, r.Stop = meaning(exit.Code)
		case exit.Ended:
			outcome, _ := meaning(exit.Code)
			r.kept = outcome == handshake.Refused
		}
		if name == nameFireAndAwait { // its word is that of both
			rs[nameFireTrigger], rs[nameAwaitCompleted] = r, r
			continue
		}
		rs[name] = r
	}
	return rs
}

func (rs Reports) given(name string) bool { return rs[name].Step != "" }

// Incomplete says that steps of a run are given, but not the one that knows of its copy.
func Incomplete[V any](steps map[string]V) bool {
	given := func(name string) bool { _, ok := steps[name]; return ok }
	return !given(nameAwaitCompleted) && !given(nameFireAndAwait) && (given(nameAwaitWaiting) || given(nameQuiesce) || given(nameFireTrigger))
}

// Overlap reports whether a step is given by itself, and within fire-and-await, too.
func Overlap[V any](steps map[string]V) bool {
	given := func(name string) bool { _, ok := steps[name]; return ok }
	return given(nameFireAndAwait) && (given(nameFireTrigger) || given(nameAwaitCompleted))
}

// Verdict is the outcome of a run, for engines that go on after a failed step.
func Verdict(rs Reports, log *slog.Logger) (result.Values, error) {
	var out result.Values
	out.Set("outcome", string(handshake.OK))
	out.Set("reason", "")
	out.Set("freeze-seconds", rs.freeze())
	if err := rs.ending(rs.judge()); err != nil {
		return out, err
	}
	if rs.given(nameAwaitCompleted) {
		log.Info("the run ended well: VolSync recorded the trigger, and every step ended with 0")
	} else {
		log.Info("the clean-up ended well")
	}
	return out, nil
}

// freeze is the most that the application can have been quiesced, in seconds; "" if the
// steps around it do not say.
func (rs Reports) freeze() any {
	before, after := rs[nameAwaitWaiting].Exit, rs[nameUnquiesce].Exit
	if !before.Ended || !after.Ended || after.At.Before(before.At) {
		return ""
	}
	return after.At.Sub(before.At).Round(time.Millisecond).Seconds()
}

// ending is a finding as the user reads it.
func (rs Reports) ending(f finding) error {
	if f.outcome == handshake.OK {
		return nil
	}
	e := &Ending{Outcome: f.outcome, Why: f.by.Step + " " + f.by.Exit.String() + ": " + f.why, Hint: nextMove(f.outcome)}
	if f.outcome == Signalled {
		e.Err = f.by.Stop
	}
	if r := rs[nameDisarm]; r.failed() && f.by.Step != nameDisarm {
		e.Why += "; disarm " + r.Exit.String()
	}
	if r := rs[namePodsEnded]; r.failed() && f.by.Step != namePodsEnded {
		e.Why += "; await-pods-ended " + r.Exit.String() + ": " + refrozen
	}
	if r := rs[nameUnquiesce]; r.failed() && !rs.untouched() {
		if f.by.Step != nameUnquiesce {
			e.Why += "; unquiesce " + r.Exit.String() + ": " + frozen
		}
		e.Hint = "first make sure that the application runs again; " + e.Hint
	}
	return e
}

// untouched says that await-waiting ended badly, and that the user's commands, which come
// after it, were kept from running: there is nothing to unquiesce.
func (rs Reports) untouched() bool {
	waiting := rs[nameAwaitWaiting]
	return waiting.failed() && waiting.Exit.Ended && rs[nameQuiesce].kept && rs[nameUnquiesce].kept
}

// nextMove is the user's next move.
func nextMove(o handshake.Outcome) string {
	switch o {
	case handshake.Tainted:
		return "run disarm, then unquiesce, if they have not run; do not use this sync's copy"
	case handshake.Unverified:
		return "do not rely on this sync's copy"
	}
	return "see why in the log of the step"
}
