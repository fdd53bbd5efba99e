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

// fireTriggerCommand is the step after quiesce.
func (m *program) fireTriggerCommand() command {
	return m.onClaims(&fireTriggerFlags{}, command{
		name:    "fire-trigger",
		usage:   "release VolSync, if what await-waiting saw is still true",
		example: `copytrigger fire-trigger -n app --pvc data --trigger "$TRIGGER"`,
		description: "Results: trigger, fired-at. To repeat it does no harm. Where the engine goes on after a\n" +
			"failed quiesce, --after keeps it from firing.",
	})
}

type fireTriggerFlags struct {
	claimFlags
	claimOnlyFlags
	triggerFlags
	afterFlags
	timeoutFlags
}

func (f *fireTriggerFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.claimOnlyFlags.flags(),
		f.triggerFlags.flags("`TRIGGER` that await-waiting gave"),
		f.afterFlags.flags(),
		f.timeoutFlags.flags(30*time.Second, "give up after `DURATION` if the API server cannot be reached"),
	)
}

func (f *fireTriggerFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.triggerFlags.check(c),
		f.afterFlags.check(c),
		f.outputFlags.check(c),
	)
}

func (f *fireTriggerFlags) options() step.FireTriggerOptions {
	return step.FireTriggerOptions{Trigger: f.trigger, After: f.after, Timeout: f.timeout}
}

func (f *fireTriggerFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	s.ClaimOnly = f.claimOnly
	s, err := f.selected(ctx, s, step.SelectOptions{
		Purpose: step.ToFire, Run: f.trigger.Run(), Trigger: f.trigger, Timeout: f.timeout,
	})
	var fired step.Fired
	if err == nil {
		fired, err = s.Members().FireTrigger(ctx, f.options())
	}
	v := claimValues(s)
	v.Set("unchecked", f.unchecked())
	v.Set("trigger", f.trigger.String())
	setFired(&v, s, fired, err)
	return v, err
}

// undo gives the trigger back: nobody has read that it was fired.
func (f *fireTriggerFlags) undo(ctx context.Context, s step.Step, why error) error {
	return f.found(s).Members().Unfire(ctx, f.trigger, why)
}
