package cli

import (
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// commands are the steps, in the order in which a run uses them.
func (m *program) commands() []*cli.Command {
	commands := []*cli.Command{
		{
			Name:  "await-waiting",
			Usage: "wait until VolSync waits for the trigger, so that the application may be quiesced",
			Description: "Results: trigger (for the later steps), waiting-since, replication-source.\n" +
				"Writes nothing, unless an earlier attempt of the same run left its trigger: that is taken back.\n" +
				"If VolSync is copying by then it ends with exit 5. With --lock it refuses a claim that another\n" +
				"run has locked (3), and ends (5) where an attempt of this run has: its pod was lost.\n\n" +
				"Example:\n   copytrigger await-waiting -n app --pvc data --run-id \"$RUN\"",
			Flags: append(common(), claimOnlyFlag(), ackFlag(),
				copyTimeoutFlag("`DURATION` that await-completed will get as --timeout: checked here, while nothing is quiesced"),
				untilFlag("cut or completed, as await-completed will get it: checked here, while nothing is quiesced"),
				lockFlag("lock the claim for this run, until unlock; refuse one that another run has locked"),
				runFlag("`ID` of this run, the same for each of its steps and retries (default: a random one)"),
				timeoutFlag(time.Hour, "give up after `DURATION`; 0 looks once")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				if !o.runGiven {
					s.Log.Info("no --run-id given; this run is " + o.run)
				}
				return s.AwaitWaiting(ctx, o.run, o.timeout)
			}, undo: func(ctx context.Context, s step.Step, o options, why error) error {
				if s.Lock {
					_, _ = s.Unlock(context.WithoutCancel(ctx), o.run, 10*time.Second) // why is told
				}
				return why
			}}),
		},
		{
			Name:  "fire-trigger",
			Usage: "release VolSync, if what await-waiting saw is still true",
			Description: "Results: trigger, fired-at. To repeat it does no harm. Where the engine goes on after a\n" +
				"failed quiesce, --after keeps it from firing.\n\n" +
				"Example:\n   copytrigger fire-trigger -n app --pvc data --trigger \"$TRIGGER\"",
			Flags: append(common(), claimOnlyFlag(),
				triggerFlag("`TRIGGER` that await-waiting gave"), afterFlag(),
				lockFlag("refuse unless this run has locked the claim"),
				timeoutFlag(30*time.Second, "give up after `DURATION` if the API server cannot be reached")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.FireTrigger(ctx, o.trigger, o.timeout)
			}, undo: func(ctx context.Context, s step.Step, o options, why error) error {
				return s.Unfire(ctx, o.trigger, why)
			}}),
		},
		{
			Name:  "await-completed",
			Usage: "wait until VolSync has recorded the trigger, so that the application may run again",
			Description: "Results: trigger, cut-time, copy-seconds, copy. When it gives up, for time or a signal,\n" +
				"it gives the trigger back first (exit 4), or says that it was too late for that (exit 5).\n" +
				"--until=cut ends as soon as the storage has cut the VolumeSnapshot: the application may run\n" +
				"again, but the copy is good only when await-completed --copy has ended with 0, too.\n" +
				"--fire fires the trigger first, in the same process; --after then keeps it from firing\n" +
				"where quiesce failed. A trigger that is set already is taken back: nobody knows in which\n" +
				"freeze it was set.\n\n" +
				"Example:\n   copytrigger await-completed -n app --pvc data --trigger \"$TRIGGER\" --timeout 5m",
			Flags: append(common(), claimOnlyFlag(), ackFlag(),
				untilFlag("completed: until VolSync has recorded the trigger; cut: until the VolumeSnapshot is cut"), copyFlag(),
				lockFlag("take the copy for unverified unless this run still has the claim locked"),
				triggerFlag("`TRIGGER` that was fired, or is to be with --fire"), fireFlag(), afterFlag(),
				timeoutFlag(10*time.Minute, "give the trigger back and end after `DURATION`; 0 looks once")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				switch {
				case o.fire:
					return s.FireAndAwait(ctx, o.trigger, o.timeout, o.ack)
				case o.copy != "":
					return s.AwaitVerified(ctx, o.trigger, o.copy, o.timeout, o.ack)
				case o.untilCut:
					return s.AwaitCut(ctx, o.trigger, o.timeout, o.ack)
				}
				return s.AwaitCompleted(ctx, o.trigger, o.timeout, o.ack)
			}}),
		},
		{
			Name:  "disarm",
			Usage: "give back a trigger of this run that VolSync has not recorded",
			Description: "Result: outcome: ok (there was none), withdrawn (no copy was made) or tainted (VolSync\n" +
				"is copying). All three exit with 0: nothing of this run is armed any more. lock: whose lock\n" +
				"it found on the claim: own, none or other; in the freeze of another run nothing must be\n" +
				"unquiesced. It needs no result of another step, so that a finally task or exit handler\n" +
				"can always call it.\n\n" +
				"Example:\n   copytrigger disarm -n app --pvc data --run-id \"$RUN\"",
			Flags: append(common(),
				runFlag("`ID` of the run: a trigger of another run is left alone"),
				keepOutFlag(),
				timeoutFlag(20*time.Second, "give up after `DURATION` if the API server cannot be reached")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.Disarm(ctx, o.run, o.keepOut, o.timeout)
			}}),
		},
		{
			Name:  "unlock",
			Usage: "take this run's lock off the claim, when the application runs again",
			Description: "For runs with --lock. Another run's lock is left alone. To repeat it does no harm.\n\n" +
				"Example:\n   copytrigger unlock -n app --pvc data --run-id \"$RUN\"",
			Flags: append(common(),
				runFlag("`ID` of the run"), afterFlag(),
				timeoutFlag(20*time.Second, "give up after `DURATION` if the API server cannot be reached")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.Unlock(ctx, o.run, o.timeout)
			}}),
		},
		m.runCommand(),
		m.releaseCommand(),
		m.verdictCommand(),
		m.recordCommand(),
		m.installCommand(),
		m.exitCodesTopic(),
		{
			Name:  "await-pods-ended",
			Usage: "wait until no pod with some labels can run anything any more",
			Description: "For a clean-up after a run that was cancelled: its pod still has its grace period, and\n" +
				"could quiesce after the clean-up's unquiesce. Result: outcome.\n\n" +
				"Example:\n   copytrigger await-pods-ended -l tekton.dev/pipelineRun=\"$RUN\",tekton.dev/pipelineTask=copy",
			Flags: append(clusterFlags("pods"), selectorFlag(),
				timeoutFlag(2*time.Minute, "give up after `DURATION`; 0 looks once")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.AwaitPodsEnded(ctx, o.selector, o.timeout)
			}}),
		},
	}
	for _, c := range commands {
		if has := func(f cli.Flag) bool { return f.Names()[0] == "pvc" }; slices.ContainsFunc(c.Flags, has) {
			c.ArgsUsage = "[--] [NAME...]"
			c.Description += "\n\nAn argument NAME means --pvc NAME; both add up. Flags go before the first of them."
		}
		c.OnUsageError = onUsageError // urfave/cli would print the help to stdout, where results go
		c.HideHelpCommand = true
	}
	return commands
}
