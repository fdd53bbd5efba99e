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

// awaitPodsEndedCommand is the first step of a cleanup after a run that was cancelled.
func (m *program) awaitPodsEndedCommand() command {
	f := &awaitPodsEndedFlags{}
	return command{
		name:    "await-pods-ended",
		usage:   "wait until no pod with some labels can run anything any more",
		example: `copytrigger await-pods-ended -l tekton.dev/pipelineRun="$RUN",tekton.dev/pipelineTask=copy`,
		description: "For a cleanup after a run that was cancelled: its pod still has its grace period, and\n" +
			"could quiesce after the cleanup's unquiesce. Result: outcome.",
		flags:  f,
		action: m.onCluster(f, action{do: f.run}),
	}
}

type awaitPodsEndedFlags struct {
	clusterFlags
	podsFlags
	timeoutFlags
}

func (f *awaitPodsEndedFlags) flags() []cli.Flag {
	return slices.Concat(
		f.clusterFlags.flags("pods"),
		[]cli.Flag{text(&f.pods, "selector", "labels of the pods, as `SELECTOR` of kubectl", "l")},
		f.timeoutFlags.flags(2*time.Minute, "give up after `DURATION`; 0 looks once"),
	)
}

func (f *awaitPodsEndedFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.clusterFlags.check(c),
		f.timeoutFlags.check(c),
		f.podsFlags.check("selector", false),
		f.outputFlags.check(c),
	)
}

func (f *awaitPodsEndedFlags) run(ctx context.Context, s step.Step) (result.Values, error) {
	return claimValues(s), s.AwaitPodsEnded(ctx, step.AwaitPodsEndedOptions{Selector: f.pods, Timeout: f.timeout})
}
