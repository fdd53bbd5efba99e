package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
	"k8s.io/klog/v2"

	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// action is a command once its flags are read and the cluster is known.
type action struct {
	do func(ctx context.Context, s step.Step) (result.Values, error)
	// undo reverts a successful do whose results could not be written; why is the write
	// error. The command ends with the error that undo returns. nil where nothing needs it.
	undo func(ctx context.Context, s step.Step, why error) error
}

// outputFlagSet is the flagSet of a command that has results: it embeds [outputFlags].
type outputFlagSet interface {
	flagSet
	dir() string
	fit(v *result.Values)
}

// clusterFlagSet is the flagSet of a command that asks a cluster: it embeds [clusterFlags],
// or [claimFlags].
type clusterFlagSet interface {
	outputFlagSet
	connect(m *program, version string) (step.Step, error)
}

// eventsLimit is how long the end of a step waits for its Events: the application may be quiesced
// until the step has ended.
const eventsLimit = 300 * time.Millisecond

// claimStep is a step of a run on its claims: its flags, and what it does once they are read.
type claimStep interface {
	clusterFlagSet
	run(ctx context.Context, s step.Step) (result.Values, error)
}

// undoer is a claimStep that reverts what it has done where nobody could read its results.
type undoer interface {
	undo(ctx context.Context, s step.Step, why error) error
}

// onClaims completes the command of a step that takes claims as arguments, too.
func (m *program) onClaims(f claimStep, c command) command {
	act := action{do: f.run}
	if u, may := f.(undoer); may {
		act.undo = u.undo
	}
	c.args, c.flags, c.action = claimArgs, f, m.onCluster(f, act)
	c.description += claimArgsHelp
	return c
}

// onCluster connects to the cluster, acts, and writes the results.
func (m *program) onCluster(f clusterFlagSet, act action) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := m.begin(c, f); err != nil {
			return err
		}
		s, err := f.connect(m, c.App.Version)
		if err != nil {
			return err
		}
		values, err := act.do(c.Context, s)
		f.fit(&values)
		defer m.events.Close(eventsLimit)
		return m.writeResults(values, f.dir(), err, func(why error) error {
			if act.undo == nil {
				return nil
			}
			return act.undo(c.Context, s, why)
		})
	}
}

// looking is onCluster for a command that prints itself what it has seen.
func (m *program) looking(
	f clusterFlagSet, do func(ctx context.Context, s step.Step, version string) error,
) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := m.begin(c, f); err != nil {
			return err
		}
		s, err := f.connect(m, c.App.Version)
		if err != nil {
			return err
		}
		return do(c.Context, s, c.App.Version)
	}
}

// withoutCluster is onCluster for a command that asks no cluster.
func (m *program) withoutCluster(f outputFlagSet, do func() (result.Values, error)) cli.ActionFunc {
	return m.withoutResults(f, func() error {
		values, err := do()
		f.fit(&values)
		return m.writeResults(values, f.dir(), err, func(error) error { return nil })
	})
}

// withoutResults is withoutCluster for a command that has no results.
func (m *program) withoutResults(f flagSet, do func() error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := m.begin(c, f); err != nil {
			return err
		}
		return do()
	}
}

// begin checks the flags. Before that it gives the log the format that they ask for.
func (m *program) begin(c *cli.Context, f flagSet) error {
	format, err := f.format()
	if err != nil {
		return err
	}
	m.setLogFormat(format)
	m.log = m.log.With("command", c.Command.Name)
	// client-go's own messages belong to the progress, in its format.
	klog.SetSlogLogger(withoutCancelled(m.log))
	if c.Command.ArgsUsage == "" && c.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected %s", argument(1, c.Args().First())),
			"every parameter is a flag; see copytrigger " + c.Command.Name + " --help"}
	}
	return f.check(c)
}
