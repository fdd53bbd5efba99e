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

// disarmCommand is the first step after a run that failed.
func (m *program) disarmCommand() command {
	return m.onClaims(&disarmFlags{}, command{
		name:    "disarm",
		usage:   "give back a trigger of this run that VolSync has not recorded",
		example: `copytrigger disarm -n app --pvc data --run-id "$RUN"`,
		description: "It also locks the claim for the cleanup: until unlock, nothing of this run can fire, and\n" +
			"no other run can quiesce. So: disarm, unquiesce, unlock.\n\n" +
			"Result: outcome: ok (there was none), withdrawn (no copy was made) or tainted (VolSync\n" +
			"is copying). All three exit with 0: nothing of this run is armed any more. lock: whose lock\n" +
			"it found on the claim: own, none or other; in the freeze of another run nothing must be\n" +
			"unquiesced. It is empty where disarm failed before it had locked the claim: then only the\n" +
			"run's own script may unquiesce, and everybody else disarms again. It needs no result of\n" +
			"another step, so that a finally task or exit handler can always call it.",
	})
}

type disarmFlags struct {
	claimFlags
	runIDFlags
	cleanupIDFlags
	timeoutFlags
}

func (f *disarmFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.flags(),
		f.runIDFlags.flags("`ID` of the run: a trigger of another run is left alone"),
		f.cleanupIDFlags.flags(),
		f.timeoutFlags.flags(20*time.Second, "give up after `DURATION` if the API server cannot be reached"),
	)
}

func (f *disarmFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.runIDFlags.check(c),
		f.cleanupIDFlags.check(c),
		f.outputFlags.check(c),
	)
}

func (f *disarmFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	s, err := f.selected(ctx, s, step.SelectOptions{Purpose: step.ToDisarm, Run: f.runID, Timeout: f.timeout})
	var found []step.Disarmed
	if err == nil {
		found, err = s.Members().Disarm(ctx, step.DisarmOptions{
			Run: f.runID, CleanupID: f.cleanupID, Timeout: f.timeout,
		})
	}
	v := claimValues(s)
	setDisarmed(&v, s, found, err)
	return v, err
}
