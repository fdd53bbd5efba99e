package cli

import (
	"context"
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
				"Writes nothing, unless an earlier attempt of the same run left its trigger: that is taken back.\n\n" +
				"Example:\n   copytrigger await-waiting -n app --pvc data --run-id \"$RUN\"",
			Flags: append(common(), claimOnlyFlag(),
				runFlag("`ID` of this run, the same for each of its steps and retries (default: a random one)"),
				timeoutFlag(time.Hour, "give up after `DURATION`; 0 looks once")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				if !o.runGiven {
					s.Log.Info("no --run-id given; this run is " + o.run)
				}
				return s.AwaitWaiting(ctx, o.run, o.timeout)
			}}),
		},
		{
			Name:  "fire-trigger",
			Usage: "release VolSync, if what await-waiting saw is still true",
			Description: "Results: trigger, fired-at. To repeat it does no harm.\n\n" +
				"Example:\n   copytrigger fire-trigger -n app --pvc data --trigger \"$TRIGGER\"",
			Flags: append(common(), claimOnlyFlag(),
				triggerFlag("`TRIGGER` that await-waiting gave"),
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
			Description: "Results: trigger, cut-time, copy-seconds. When it gives up, for time or a signal,\n" +
				"it gives the trigger back first (exit 4), or says that it was too late for that (exit 5).\n\n" +
				"Example:\n   copytrigger await-completed -n app --pvc data --trigger \"$TRIGGER\" --timeout 5m",
			Flags: append(common(), claimOnlyFlag(), ackFlag(),
				triggerFlag("`TRIGGER` that was fired"),
				timeoutFlag(10*time.Minute, "give the trigger back and end after `DURATION`; 0 looks once")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.AwaitCompleted(ctx, o.trigger, o.timeout, o.ack)
			}}),
		},
		{
			Name:  "disarm",
			Usage: "give back a trigger of this run that VolSync has not recorded",
			Description: "Result: outcome: ok (there was none), withdrawn (no copy was made) or tainted (VolSync\n" +
				"is copying). All three exit with 0: nothing of this run is armed any more. It needs no\n" +
				"result of another step, so that a finally task or exit handler can always call it.\n\n" +
				"Example:\n   copytrigger disarm -n app --pvc data --run-id \"$RUN\"",
			Flags: append(common(),
				runFlag("`ID` of the run: a trigger of another run is left alone"),
				timeoutFlag(20*time.Second, "give up after `DURATION` if the API server cannot be reached")),
			Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
				return s.Disarm(ctx, o.run, o.timeout)
			}}),
		},
	}
	for _, c := range commands {
		c.OnUsageError = onUsageError // urfave/cli would print the help to stdout, where results go
		c.HideHelpCommand = true
	}
	return commands
}
