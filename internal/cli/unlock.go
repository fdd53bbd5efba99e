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

// unlockCommand is the step after unquiesce.
func (m *program) unlockCommand() command {
	f := &unlockFlags{}
	return command{
		name:    "unlock",
		usage:   "take this run's lock off the claim, when the application runs again",
		example: `copytrigger unlock -n app --pvc data --run-id "$RUN"`,
		description: "Another run's lock is left alone. To repeat it does no harm." +
			claimArgsHelp,
		args:   claimArgs,
		flags:  f,
		action: m.onCluster(f, action{do: f.run}),
	}
}

type unlockFlags struct {
	claimFlags
	runIDFlags
	afterFlags
	timeoutFlags
}

func (f *unlockFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.runIDFlags.flags("`ID` of the run"),
		f.afterFlags.flags(),
		f.timeoutFlags.flags(20*time.Second, "give up after `DURATION` if the API server cannot be reached"),
	)
}

func (f *unlockFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.runIDFlags.check(c),
		f.afterFlags.check(c),
		f.outputFlags.check(c),
	)
}

func (f *unlockFlags) options() step.UnlockOptions {
	return step.UnlockOptions{Run: f.runID, After: f.after, Timeout: f.timeout}
}

func (f *unlockFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	return claimValues(s), s.Unlock(ctx, f.options())
}
