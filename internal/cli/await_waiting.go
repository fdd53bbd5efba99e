package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// awaitWaitingCommand is the first step of a run.
func (m *program) awaitWaitingCommand() command {
	return m.onClaims(&awaitWaitingFlags{}, command{
		name:    "await-waiting",
		usage:   "wait until VolSync waits for the trigger, so that the application may be quiesced",
		example: `copytrigger await-waiting -n app --pvc data --run-id "$RUN"`,
		description: "Results: trigger (for the later steps), waiting-since, replication-source.\n" +
			"It locks the claim for this run, until unlock; it refuses one that another run has locked (3),\n" +
			"and ends (5) where an attempt of this run has: its pod was lost. A trigger that such an\n" +
			"attempt left is taken back first.",
	})
}

type awaitWaitingFlags struct {
	claimFlags
	claimOnlyFlags
	ackFlags         // only checked, while nothing is quiesced
	copyTimeoutFlags // only checked
	untilFlags
	startFlags
	runIDFlags
	timeoutFlags
}

func (f *awaitWaitingFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.claimOnlyFlags.flags(),
		f.ackFlags.flags(),
		f.copyTimeoutFlags.flags(
			"`DURATION` that await-completed will get as --timeout: checked here, while nothing is quiesced"),
		f.untilFlags.flags(
			"cut or completed, as await-completed will get it: checked here, while nothing is quiesced"),
		f.startFlags.flags(),
		f.runIDFlags.flags("`ID` of this run, the same for each of its steps and retries (default: a random one)"),
		f.timeoutFlags.flags(time.Hour, "give up after `DURATION`; 0 looks once"),
	)
}

func (f *awaitWaitingFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.copyTimeoutFlags.check(c),
		f.ackFlags.check(c),
		f.runIDFlags.checkOrMake(c),
		f.untilFlags.check(c),
		f.mayLookAtCopy(f.untilCut()),
		f.startFlags.check(f.claimOnlyFlags, f.timeoutFlags),
		f.outputFlags.check(c),
	)
}

func (f *awaitWaitingFlags) options() step.AwaitWaitingOptions {
	return step.AwaitWaitingOptions{Run: f.runID, UntilCut: f.untilCut(), Start: f.start, Timeout: f.timeout}
}

func (f *awaitWaitingFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	f.logRunID(s)
	s.ClaimOnly = f.claimOnly
	s, err := f.selected(ctx, s, step.SelectOptions{Purpose: step.ToBegin, Run: f.runID, Timeout: f.timeout})
	var found step.Waiting
	if err == nil {
		found, err = s.Members().AwaitWaiting(ctx, f.options())
	}
	v := claimValues(s)
	v.Set("unchecked", f.unchecked())
	setWaiting(&v, s, found, err)
	return v, err
}

// undo unlocks the claim: nobody has read that the run may begin.
func (f *awaitWaitingFlags) undo(ctx context.Context, s step.Step, why error) error {
	o := step.UnlockOptions{Run: f.runID, Timeout: 10 * time.Second}
	if err := f.found(s).Members().Unlock(context.WithoutCancel(ctx), o); err != nil {
		return join(why, err)
	}
	return why
}
