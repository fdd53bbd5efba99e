package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// exitCode is how a command ended that has said by itself what was wrong.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("the command ended with %d", int(e)) }

// run starts a cluster, runs a command with the way to it in its environment, and stops the
// cluster when the command has ended, or before if the cluster fails.
func (c *command) run(ctx context.Context, args []string) (err error) {
	args, err = c.parse("run", args, c.parts)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		fmt.Fprintln(c.stderr, "usage: devcluster run [flags] -- COMMAND [ARGUMENT ...]")
		return errUsage
	}
	if c.options.Dir == "" {
		parent, err := os.MkdirTemp("", "devcluster-") // short, for the kubelet's sockets
		if err != nil {
			return fmt.Errorf("making a folder for the cluster: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(parent)) }()
		c.options.Dir = parent + "/c"
	}
	if err := cluster.Build(ctx, c.options); err != nil {
		return err
	}
	k, err := cluster.Up(ctx, c.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Stop()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(k.Wait(ctx)) }()

	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, c.stdout, c.stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.Kubeconfig(), "COPYTRIGGER_CLUSTER_DIR="+k.Dir())
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.Canceled):
		return fmt.Errorf("running %s: %w", args[0], context.Cause(ctx))
	case errors.As(err, &exit) && exit.Exited():
		return exitCode(exit.ExitCode())
	case err != nil:
		return fmt.Errorf("running %s: %w", args[0], err)
	}
	return nil
}
