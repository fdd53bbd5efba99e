package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/verdict"
)

// unlockCommand is the step after unquiesce.
func (m *program) unlockCommand() command {
	return m.onClaims(&unlockFlags{}, command{
		name:    "unlock",
		usage:   "take this run's lock off the claim, when the application runs again",
		example: `copytrigger unlock -n app --pvc data --run-id "$RUN"`,
		description: "What the run and its disarm have put on. Another run's lock is left alone, and so is that\n" +
			"of a cleanup of this run that is under way. To repeat it does no harm.",
	})
}

type unlockFlags struct {
	claimFlags
	runIDFlags
	cleanupIDFlags
	afterFlags
	stepFilesFlags
	metricsFlags
	outcome          string
	keepCleanup, all bool
	timeoutFlags
}

func (f *unlockFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.runIDFlags.flags("`ID` of the run"),
		f.cleanupIDFlags.flags(),
		f.afterFlags.flags(),
		[]cli.Flag{
			boolean(&f.keepCleanup, "keep-cleanup",
				"leave the lock of a disarm, whose own unlock comes: for a step of the run itself"),
			boolean(&f.all, "all", "take off the lock of every process of the run: only when none lives any more"),
		},
		[]cli.Flag{text(&f.outcome, "outcome", "keep `OUTCOME` on the claim as that of the run, such as ok")},
		f.stepFilesFlags.flags(),
		f.metricsFlags.flags(),
		f.timeoutFlags.flags(20*time.Second, "give up after `DURATION` if the API server cannot be reached"),
	)
}

func (f *unlockFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.runIDFlags.check(c),
		f.cleanupIDFlags.check(c),
		f.afterFlags.check(c),
		f.checkWhose(),
		f.stepFilesFlags.check(c),
		f.checkOutcome(),
		f.outputFlags.check(c),
	)
}

func (f *unlockFlags) checkWhose() error {
	if f.all && f.keepCleanup {
		return usageError{errors.New("--all and --keep-cleanup are given"), "--all leaves nothing"}
	}
	return nil
}

func (f *unlockFlags) checkOutcome() error {
	known := func(r outcome.Row) bool { return string(r.Outcome) == f.outcome }
	switch {
	case f.outcome == "":
		return nil
	case len(f.files) > 0:
		return usageError{errors.New("--outcome and --step are given"), "either says how the run has ended"}
	case !slices.ContainsFunc(outcome.Table(), known):
		return usageError{fmt.Errorf("--outcome %q is no outcome", f.outcome), "copytrigger help exit-codes lists them"}
	}
	return nil
}

// last is how the run has ended, as far as the flags say.
func (f *unlockFlags) last() handshake.LastRun {
	l := handshake.LastRun{Run: f.runID, Outcome: f.outcome}
	if len(f.files) == 0 {
		return l
	}
	run, ending := verdict.Read(f.files), (*outcome.Ending)(nil)
	l.Outcome = string(outcome.OK)
	if errors.As(run.Outcome(), &ending) {
		l.Outcome, l.Reason = string(ending.Outcome), ending.Error()
	}
	if run.Cleanup() {
		l.Outcome, l.Reason = "", "" // the exit codes of a cleanup are not those of the run
	}
	freeze, _ := run.Freeze()
	l.FreezeSeconds = step.Seconds(freeze)
	return l
}

func (f *unlockFlags) options() step.UnlockOptions {
	return step.UnlockOptions{
		Last: f.last(),
		Run:  f.runID, CleanupID: f.cleanupID, KeepCleanup: f.keepCleanup, All: f.all, After: f.after, Timeout: f.timeout,
	}
}

func (f *unlockFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	s, err := f.selected(ctx, s, step.SelectOptions{Purpose: step.ToUnlock, Run: f.runID, Timeout: f.timeout})
	if err == nil {
		err = s.Members().Unlock(ctx, f.options())
	}
	f.writeMetrics(ctx, s)
	return claimValues(s), err
}
