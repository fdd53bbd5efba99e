package quiesce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/process"
)

// Cluster is what commands in the application's pod ask of a cluster.
type Cluster interface {
	// Find returns the pod, and the container, in which the application runs now.
	Find(ctx context.Context) (pods.Target, error)
	// Look returns what has the name of a pod now. It asks less than Find.
	Look(ctx context.Context, t pods.Target) (pods.Target, error)
	// Check reports whether there is a shell. Its error says why one of the commands cannot be run.
	Check(ctx context.Context, t pods.Target, commands ...[]string) (shell bool, err error)
	Run(ctx context.Context, t pods.Target, c podexec.Command) (code int, err error)
}

// InCluster is the [Cluster] of one application.
type InCluster struct {
	podexec.Exec
	Pods   pods.Application
	Wanted pods.Wanted
}

// Find returns the pod, and the container, in which the application runs now.
func (c InCluster) Find(ctx context.Context) (pods.Target, error) { return c.Pods.Find(ctx, c.Wanted) }

// Look returns what has the name of a pod now.
func (c InCluster) Look(ctx context.Context, t pods.Target) (pods.Target, error) {
	return c.Pods.Find(ctx, pods.Wanted{Name: t.Name, Container: t.Container})
}

// Pod is the application's pod, for commands in it.
type Pod struct {
	Cluster Cluster
	Env     []string // of the commands
	Log     *slog.Logger

	chosen pods.Target // in which the application is quiesced; none in a cleanup
	known  pods.Target // where a command was run last
	bare   bool        // known has no shell
}

// choose finds the pod, and finds out whether these commands can be run in it, and the programs that
// lines for the shell begin with. An unquiesce asks only for the shell: the line itself says more.
func (p *Pod) choose(ctx context.Context, commands ...[]string) error {
	t, err := p.Cluster.Find(ctx)
	if err != nil {
		return err
	}
	programs := slices.Clone(commands)
	for _, c := range commands {
		if program := process.FirstProgram(c); program != "" {
			programs = append(programs, []string{program})
		}
	}
	if err := p.get(ctx, t, programs...); err != nil {
		return err
	}
	p.chosen = t
	p.Log.Info("the application runs in " + t.String())
	return nil
}

func (p *Pod) get(ctx context.Context, t pods.Target, commands ...[]string) error {
	shell, err := p.Cluster.Check(ctx, t, commands...)
	if err == nil {
		p.known, p.bare = t, !shell
	}
	return err
}

func (p *Pod) command(args []string) podexec.Command {
	return podexec.Command{Args: args, Env: p.Env, Bare: p.bare}
}

// now returns the pod in which the application runs now, without the search where that is the one
// in which a command was run last.
func (p *Pod) now(ctx context.Context) (pods.Target, error) {
	if p.known != (pods.Target{}) {
		if t, err := p.Cluster.Look(ctx, p.known); err == nil && t == p.known {
			return t, nil
		}
	}
	return p.Cluster.Find(ctx)
}

// PodCommands are [Commands] in the application's pod.
//
// Nobody can end a process in a pod from here. A quiesce that has not been seen to end may still
// quiesce, so it should have a limit of its own. A pod that was replaced, or whose container was
// restarted, has not been quiesced until the end.
type PodCommands struct {
	Pod
	On, Off []string // On is nil in a cleanup

	lost string // what has become of the pod in the freeze
}

// Prepare chooses the pod. Nothing is quiesced yet.
func (c *PodCommands) Prepare(ctx context.Context) error { return c.choose(ctx, c.On, c.Off) }

// Quiesce runs the first command.
func (c *PodCommands) Quiesce(ctx context.Context) error {
	_, err := c.Cluster.Run(ctx, c.chosen, c.command(c.On))
	var broken *podexec.Broken
	if errors.As(err, &broken) {
		c.Log.Warn("quiesce may go on: "+err.Error(), "hint", broken.Hint())
	}
	return err
}

// Lost gives nothing.
func (c *PodCommands) Lost() <-chan error { return nil }

// Unquiesce runs the second command as [Commands.Unquiesce] does, in the pod that is there then.
func (c *PodCommands) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	err := Commands{Off: runs(c.off), Log: c.Log}.Unquiesce(ctx, may)
	if err == nil && c.lost != "" {
		return fmt.Errorf("%w: %s", ErrNotHeld, c.lost)
	}
	return err
}

// runs is a function as a [Command].
type runs func(context.Context) (int, error)

// RunUntil calls it.
func (f runs) RunUntil(ctx context.Context) (int, error) { return f(ctx) }

// notRun is a shell's code for what it cannot run.
const notRun = 126

// off is one attempt of the second command.
func (c *PodCommands) off(ctx context.Context) (code int, err error) {
	t, err := c.now(ctx)
	if err != nil {
		return notRun, err
	}
	if c.chosen != (pods.Target{}) && c.lost == "" {
		c.lost = c.chosen.Changed(t)
	}
	if t != c.known {
		if err := c.get(ctx, t, c.Off); err != nil {
			return notRun, err
		}
	}
	ctx, end := c.whileThere(ctx, t)
	defer end()
	return c.Cluster.Run(ctx, t, c.command(c.Off))
}

// lookAgain is how often it is seen whether a pod is there still, in which a command is waited for:
// where its node has gone nobody says that the command will not end.
const lookAgain = 15 * time.Second

// whileThere is a context that ends, too, when another pod has taken the place of t.
func (p *Pod) whileThere(ctx context.Context, t pods.Target) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(lookAgain)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now, err := p.Cluster.Find(ctx)
			if err == nil && t.Changed(now) != "" {
				cancel(errors.New(t.Changed(now)))
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// UnquiesceIsScoped reports false: no command knows whose freeze it ends.
func (c *PodCommands) UnquiesceIsScoped() bool { return false }
