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

// cleanupCommand is the cleanup after run, in one process as well.
func (m *program) cleanupCommand() command {
	f := &cleanupFlags{}
	return command{
		name:    "cleanup",
		usage:   "end a run that was lost: disarm, unquiesce, unlock",
		example: `copytrigger cleanup -n app --pvc data --run-id "$RUN" --unquiesce 'fsfreeze -u /data'`,
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

type cleanupFlags struct {
	claimFlags
	unquiesceFlags
	inPodFlags
	runIDFlags
	podsFlags
	metricsFlags
	runEnded bool
	timeoutFlags
}

func (f *cleanupFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.unquiesceFlags.flags("`CMD` that lets the application run again, as run has it; "+
			"it is repeated until it ends with 0"),
		f.inPodFlags.flags(),
		[]cli.Flag{f.unquiesceFlags.timeoutFlag()},
		f.runIDFlags.flags("`ID` of the run: trigger and lock of another run are left alone"),
		[]cli.Flag{
			text(&f.pods, "await-pods", "first wait until no pod with these labels can quiesce any more, `SELECTOR` of kubectl"),
			boolean(&f.runEnded, "run-ended", "no process of the run lives any more, so the claim is unlocked at once"),
		},
		f.metricsFlags.flags(),
		f.timeoutFlags.flags(2*time.Minute, "go on after `DURATION` although such pods are left, and end with an error"),
	)
}

func (f *cleanupFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.checkTimeout(c),
		f.runIDFlags.check(c),
		f.podsFlags.check("await-pods", true),
		f.inPodFlags.check(c),
		f.unquiesceFlags.check(c, f.inPod),
		f.outputFlags.check(c),
	)
}

func (f *cleanupFlags) run(ctx context.Context, s step.Step, m *program) (result.Values, error) {
	s, err := f.selected(ctx, s, step.SelectOptions{Purpose: step.ToCleanUp, Run: f.runID, Timeout: f.timeout})
	var found []step.Disarmed
	if err == nil {
		found, err = s.Members().Cleanup(ctx, f.options(f.application(m, s)))
	}
	f.writeMetrics(ctx, s)
	v := claimValues(s)
	setDisarmed(&v, s, found, err)
	return v, err
}

func (f *cleanupFlags) options(app step.Application) step.CleanupOptions {
	return step.CleanupOptions{
		Run: f.runID, App: app, Selector: f.pods, Wait: f.timeout, RunEnded: f.runEnded, Unquiesce: f.unquiesceTimeout,
	}
}

// application is what the cleanup lets run again; nil where that is none of its business.
func (f *cleanupFlags) application(m *program, s step.Step) step.Application {
	switch {
	case f.unquiesce.args != nil && f.inPod:
		variables := ours(m.userCommand(s, nil, f.runID, 0).Env)
		return &quiesce.PodCommands{Pod: f.podFlags.in(m, &f.clusterFlags, s, variables), Off: f.unquiesce.args}
	case f.unquiesce.args != nil:
		return quiesce.Commands{Off: m.userCommand(s, f.unquiesce.args, f.runID, 0), Log: s.Log}
	}
	return nil
}
