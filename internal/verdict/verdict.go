// Package verdict makes one outcome of the exit codes of a run's steps, for engines that go on
// after a failed step. It asks no cluster.
package verdict

import (
	"fmt"
	"slices"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// The steps of a run, in its order. quiesce and unquiesce are the user's.
const (
	awaitWaiting   = "await-waiting"
	quiesce        = "quiesce"
	fireTrigger    = "fire-trigger"
	awaitCompleted = "await-completed"
	fireAndAwait   = "fire-and-await" // the two above in one process
	disarm         = "disarm"
	unquiesce      = "unquiesce"
	podsEnded      = "await-pods-ended" // of the cleanup, before the other two
	unlock         = "unlock"
	startSync      = "start-sync"   // before all of them
	awaitSynced    = "await-synced" // after all of them
)

// Steps are the names of the steps that a verdict is made of.
func Steps() []string {
	return []string{
		awaitWaiting, quiesce, fireTrigger, awaitCompleted, disarm, unquiesce, podsEnded, unlock, fireAndAwait,
		startSync, awaitSynced,
	}
}

// Incomplete reports whether steps of a run are given, but not the one that knows of its copy.
func Incomplete[V any](steps map[string]V) bool {
	return !anyOf(steps, awaitCompleted, fireAndAwait) &&
		anyOf(steps, awaitWaiting, quiesce, fireTrigger, startSync, awaitSynced)
}

// Overlap reports whether a step is given by itself, and within fire-and-await, too.
func Overlap[V any](steps map[string]V) bool {
	return anyOf(steps, fireAndAwait) && anyOf(steps, fireTrigger, awaitCompleted)
}

// anyOf reports whether one of the named steps is given.
func anyOf[V any](steps map[string]V, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, given := steps[name]; return given })
}

// report is how one step of a run ended.
type report struct {
	step    string
	exit    exitfile.Exit
	outcome outcome.Outcome // by its exit code; "" if that is none of a step's own: it was killed, or did not end
	stop    outcome.Stop    // of an outcome signalled
	kept    bool            // of a user's command: record may have kept it from running
}

// failed reports whether the step is given and did not end well.
func (r report) failed() bool { return r.step != "" && r.outcome != outcome.OK }

// Run is a run by the reports of its steps.
type Run struct{ reports map[string]report }

// Read reads the files with the exit codes of a run's steps, by the names of the steps.
func Read(files map[string]string) Run {
	exits := map[string]exitfile.Exit{}
	for name, file := range files {
		exits[name] = exitfile.Read(file)
	}
	return Of(exits)
}

// Of is a run whose steps have ended so. How the user's own commands number their failures
// means nothing to us.
func Of(exits map[string]exitfile.Exit) Run {
	run := Run{map[string]report{}}
	for name, exit := range exits {
		r := report{step: name, exit: exit}
		switch {
		case exit.OK():
			r.outcome = outcome.OK
		case exit.Ended && name != quiesce && name != unquiesce:
			r.outcome, r.stop = outcome.OfCode(exit.Code)
			if r.outcome == outcome.Unsynced && name != awaitSynced {
				r.outcome = "" // no other step knows of the mover
			}
		case exit.Ended:
			meant, _ := outcome.OfCode(exit.Code)
			r.kept = meant == outcome.Refused
		}
		if name == fireAndAwait { // it reports for both
			run.reports[fireTrigger], run.reports[awaitCompleted] = r, r
			continue
		}
		run.reports[name] = r
	}
	return run
}

func (run Run) given(name string) bool { return run.reports[name].step != "" }

// Cleanup reports whether nothing but the cleanup of a run is given.
func (run Run) Cleanup() bool {
	return !anyOf(run.reports, awaitWaiting, quiesce, fireTrigger, awaitCompleted, startSync, awaitSynced)
}

// Freeze returns the longest time that the application can have been quiesced: from the end of
// await-waiting to the end of unquiesce. It reports false if these do not say.
func (run Run) Freeze() (time.Duration, bool) {
	before, after := run.reports[awaitWaiting].exit, run.reports[unquiesce].exit
	if !before.Ended || !after.Ended || after.At.Before(before.At) {
		return 0, false
	}
	return after.At.Sub(before.At), true
}

// Outcome returns nil for a run that ended well, or else an [outcome.Ending].
func (run Run) Outcome() error {
	v := run.combine()
	if v.outcome == outcome.OK {
		return nil
	}
	e := &outcome.Ending{
		Outcome: v.outcome,
		Why:     fmt.Sprintf("%s %s: %s", v.by.step, v.by.exit, v.why),
		Hint:    v.outcome.Next(),
	}
	if v.outcome == outcome.Signalled {
		e.Err = v.by.stop
	}
	if r := run.reports[disarm]; r.failed() && v.by.step != disarm {
		e.Why += "; disarm " + r.exit.String()
		if r.outcome == outcome.Tainted {
			e.Why += ": " + armed
		}
	}
	if r := run.reports[startSync]; r.failed() && v.by.step != startSync {
		e.Why += "; start-sync " + r.exit.String() + ": " + manualStays
	}
	if run.Cleanup() && run.reports[disarm].failed() && run.reports[unquiesce].exit.OK() {
		e.Why = leftAlone + "; " + e.Why
	}
	if r := run.reports[podsEnded]; r.failed() && v.by.step != podsEnded {
		e.Why += "; await-pods-ended " + r.exit.String() + ": " + couldFreeze
	}
	if r := run.reports[unlock]; r.failed() && v.by.step != unlock {
		e.Why += "; unlock " + r.exit.String() + ": " + locked
	}
	if r := run.reports[unquiesce]; r.failed() && !run.neverQuiesced() {
		if v.by.step != unquiesce {
			e.Why += "; unquiesce " + r.exit.String() + ": " + mayBeFrozen
		}
		e.Left = outcome.LeftFrozen
		e.Hint = "first make sure that the application runs again; " + e.Hint
	}
	return e
}

// neverQuiesced reports whether await-waiting ended badly and kept the user's commands, which
// come after it, from running: there is nothing to unquiesce.
func (run Run) neverQuiesced() bool {
	waiting := run.reports[awaitWaiting]
	return waiting.failed() && waiting.exit.Ended && run.reports[quiesce].kept && run.reports[unquiesce].kept
}
