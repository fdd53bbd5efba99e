package cli

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// releaseCommand is the clean-up after run, in one process as well.
func (m *program) releaseCommand() *cli.Command {
	return &cli.Command{
		Name:  "release",
		Usage: "let go what a run that was lost has left: its trigger, the application, its lock",
		Description: "For a finally task or exit handler after run, or by hand: it gives the trigger back,\n" +
			"unquiesces, and unlocks, in this order. It does no harm where there is nothing to do; an\n" +
			"application that another run has locked is left alone. Without --unquiesce (after --hold)\n" +
			"the application is none of its business. Results: as disarm's.\n\n" +
			"Example:\n   copytrigger release -n app --pvc data --run-id \"$RUN\" --unquiesce 'fsfreeze -u /data'",
		Flags: append(common(),
			text("unquiesce", "`CMD` that lets the application run again, as run has it; it is repeated until it ends with 0"),
			duration("unquiesce-timeout", 5*time.Minute, "give up unquiescing after `DURATION`, all attempts together"),
			runFlag("`ID` of the run: trigger and lock of another run are left alone"),
			text("selector", "first wait until no pod with these labels can quiesce any more, `SELECTOR` of kubectl", "l"),
			timeoutFlag(2*time.Minute, "go on after `DURATION` although such pods are left, and end with an error")),
		Action: m.run(action{do: func(ctx context.Context, s step.Step, o options) (result.Values, error) {
			m.ignoreSecondSignal()
			var app step.Application
			if o.unquiesce != nil {
				app = m.application(o, s)
			}
			return s.Release(ctx, o.run, app, o.selector, o.limits)
		}}),
	}
}
