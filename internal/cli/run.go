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

// runCommand is all steps in one process.
func (m *program) runCommand() command {
	f := &runFlags{}
	return command{
		name:    "run",
		usage:   "a whole run in one process, around commands of yours",
		example: `copytrigger run -n app --pvc data --quiesce 'fsfreeze -f /data' --unquiesce 'fsfreeze -u /data'`,
		description: "It waits until VolSync waits, quiesces, fires, waits for the copy, and unquiesces: also\n" +
			"after a quiesce that failed, at --max-freeze, and when it gets SIGTERM. CMD is for the shell,\n" +
			"or a JSON array: '[\"psql\", \"--file=quiesce.sql\"]'. What it says goes to stderr.\n\n" +
			"--hold is for locks that end with a session: one command that takes the lock, says QUIESCED,\n" +
			"keeps the lock until its stdin ends, and ends with 0 only if it still had it.\n\n" +
			"--in-pod runs them in the application's own pod, by its image's shell: what a command there does\n" +
			"after its connection broke, or after --max-freeze, nobody can end. A pod that was replaced, or\n" +
			"whose container was restarted, makes the outcome unverified. It needs the Role of rbac/exec.\n\n" +
			"--start-sync begins the sync, so that VolSync need not be waited for; --await-synced ends when its\n" +
			"data are moved. Its results are those of await-synced.\n\n" +
			"Of our variables the commands get COPYTRIGGER_RUN_ID, COPYTRIGGER_NAMESPACE, COPYTRIGGER_PVCS\n" +
			"(the names of the claims, with spaces between) and COPYTRIGGER_MAX_FREEZE_SECONDS, and no other.\n" +
			"Results: those of the steps, and how long each part took, in seconds." + claimArgsHelp,
		args:  claimArgs,
		flags: f,
		action: m.onCluster(f, action{do: func(ctx context.Context, s step.Step) (result.Values, error) {
			return m.wholeRun(ctx, s, f)
		}}),
	}
}

type runFlags struct {
	claimFlags
	applicationFlags
	inPodFlags
	maxFreeze time.Duration
	untilFlags
	copyTimeoutFlags
	ackFlags
	claimOnlyFlags
	startFlags
	syncFlags
	runIDFlags
	metricsFlags
	state      string
	oneAtATime bool
	timeoutFlags
}

func (f *runFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.applicationFlags.flags(),
		f.inPodFlags.flags(),
		[]cli.Flag{duration(&f.maxFreeze, "max-freeze", 10*time.Minute,
			"let the application go `DURATION` after the start of quiesce, whatever comes")},
		f.untilFlags.flags("unquiesce when VolSync has recorded the trigger (completed), or already when the "+
			"VolumeSnapshot is cut, and see to the end whether that copy is recorded (cut)"),
		f.copyTimeoutFlags.flags(
			"give the trigger back if VolSync has not recorded it `DURATION` after it was fired"),
		f.ackFlags.flags(),
		[]cli.Flag{f.unquiesceFlags.timeoutFlag()},
		f.claimOnlyFlags.flags(),
		f.startFlags.flags(),
		f.syncFlags.flags(),
		f.runIDFlags.flags("`ID` of this run, the same for each of its retries (default: a random one)"),
		[]cli.Flag{
			text(&f.state, "state-file", "note in `FILE` that the claim is locked: a restarted container "+
				"that finds it lets the application go at once"),
			boolean(&f.oneAtATime, "one-at-a-time", "every attempt of this run begins after the previous one has ended, "+
				"so the lock of the previous one is taken off at once"),
		},
		f.metricsFlags.flags(),
		f.timeoutFlags.flags(time.Hour,
			"give up waiting for VolSync after `DURATION`, with nothing quiesced; 0 looks once"),
	)
}

func (f *runFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.copyTimeoutFlags.check(c),
		f.ackFlags.check(c),
		positive("max-freeze", f.maxFreeze),
		f.checkTimeout(c),
		positive("copy-timeout", f.copyTimeout),
		f.runIDFlags.checkOrMake(c),
		f.untilFlags.check(c),
		f.mayLookAtCopy(f.untilCut()),
		f.startFlags.check(f.claimOnlyFlags, f.timeoutFlags),
		f.syncFlags.check(f.claimOnlyFlags),
		f.inPodFlags.check(c),
		f.applicationFlags.check(c, f.inPod),
		f.outputFlags.check(c),
	)
}

// application is what the run quiesces and lets run again.
func (f *runFlags) application(m *program, s step.Step) step.Application {
	if f.inPod {
		return f.inThePod(m, s)
	}
	if f.hold.args != nil {
		return quiesce.NewHold(m.userCommand(s, f.hold.args, f.runID, f.maxFreeze), f.readyLine, m.stderr)
	}
	on := m.userCommand(s, f.quiesce.args, f.runID, f.maxFreeze)
	on.Bound = true // nobody would unquiesce after it
	return quiesce.Commands{On: on, Off: m.userCommand(s, f.unquiesce.args, f.runID, f.maxFreeze), Log: s.Log}
}

// inThePod is the application with its commands in its own pod.
func (f *runFlags) inThePod(m *program, s step.Step) step.Application {
	variables := ours(m.userCommand(s, nil, f.runID, f.maxFreeze).Env)
	pod := f.podFlags.in(m, &f.clusterFlags, s, variables)
	if f.hold.args != nil {
		return quiesce.NewPodHold(pod, f.hold.args, f.readyLine)
	}
	return &quiesce.PodCommands{Pod: pod, On: f.quiesce.args, Off: f.unquiesce.args}
}

func (f *runFlags) options(app step.Application, times *step.Timeline) step.RunOptions {
	return step.RunOptions{
		Run: f.runID, App: app, UntilCut: f.untilCut(), Start: f.start, Synced: f.synced, State: f.state,
		OneAtATime: f.oneAtATime, Times: times,
		Limits: step.Limits{
			Wait: f.timeout, Ack: f.ack, Copy: f.copyTimeout, Freeze: f.maxFreeze, Unquiesce: f.unquiesceTimeout,
			Sync: f.sync,
		},
	}
}

// wholeRun shows meanwhile what is being waited for, and at the end how long each part took.
func (m *program) wholeRun(ctx context.Context, s step.Step, f *runFlags) (result.Values, error) {
	m.ignoreSecondSignal()
	times := &step.Timeline{}
	shown := m.show(times)
	s.Log, s.ClaimOnly = m.log, f.claimOnly
	f.logRunID(s)
	s, err := f.selected(ctx, s, step.SelectOptions{
		Purpose: step.ToBegin, Run: f.runID, State: f.state, Timeout: f.timeout,
	})
	var ran step.Ran
	if err == nil {
		ran, err = s.Members().Run(ctx, f.options(f.application(m, s), times))
	}
	m.secondSignalIgnored.Store(false)
	shown.end()
	m.logDurations(times)
	f.writeMetrics(ctx, s)
	v := claimValues(s)
	v.Set("unchecked", f.unchecked())
	setWaiting(&v, s, ran.Waiting, err)
	setFired(&v, s, ran.Fired, err)
	setCopied(&v, s, ran.Copied, err)
	setSynced(&v, ran.Synced)
	for _, span := range times.Spans() {
		v.Set(span.Name, "")
		if span.Reached {
			v.Set(span.Name, span.Seconds())
		}
	}
	return v, err
}
