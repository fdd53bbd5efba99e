package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// releaseCommand is the clean-up after run, in one process as well.
func (m *program) releaseCommand() command {
	f := &releaseFlags{}
	return command{
		name:    "release",
		usage:   "let go what a run that was lost has left: its trigger, the application, its lock",
		example: `copytrigger release -n app --pvc data --run-id "$RUN" --unquiesce 'fsfreeze -u /data'`,
		description: "For a finally task or exit handler after run, or by hand: it gives the trigger back,\n" +
			"unquiesces, and unlocks, in this order. It does no harm where there is nothing to do; an\n" +
			"application that another run has locked is left alone. Without --unquiesce (after --hold)\n" +
			"the application is none of its business. Results: as disarm's." + claimArgsHelp,
		args:  claimArgs,
		flags: f,
		action: m.onCluster(f, action{do: func(ctx context.Context, s step.Step) (result.Values, error) {
			m.ignoreSecondSignal()
			return f.run(ctx, s, m)
		}}),
	}
}

type releaseFlags struct {
	claimFlags
	unquiesceFlags
	runIDFlags
	selectorFlags
	timeoutFlags
}

func (f *releaseFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.unquiesceFlags.flags("`CMD` that lets the application run again, as run has it; "+
			"it is repeated until it ends with 0"),
		[]cli.Flag{f.unquiesceFlags.timeoutFlag()},
		f.runIDFlags.flags("`ID` of the run: trigger and lock of another run are left alone"),
		f.selectorFlags.flags("first wait until no pod with these labels can quiesce any more, `SELECTOR` of kubectl"),
		f.timeoutFlags.flags(2*time.Minute, "go on after `DURATION` although such pods are left, and end with an error"),
	)
}

func (f *releaseFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.checkTimeout(c),
		f.runIDFlags.check(c),
		f.checkOptional(c),
		f.unquiesceFlags.check(c),
		f.outputFlags.check(c),
	)
}

func (f *releaseFlags) run(ctx context.Context, s step.Step, m *program) (result.Values, error) {
	var app step.Application
	if f.unquiesce.args != nil {
		app = quiesce.Commands{Off: m.userCommand(f.unquiesce.args, f.runID, 0), Log: s.Log}
	}
	limits := step.Limits{Wait: f.timeout, Unquiesce: f.unquiesceTimeout}
	return s.Release(ctx, f.runID, app, f.selector, limits)
}
