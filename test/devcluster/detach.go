package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// detach starts this program again, in a session of its own, to own the cluster. Its
// output comes through a pipe, and ends when the cluster is up or has failed.
func (c *command) detach(ctx context.Context) error {
	dir, err := cluster.DefaultDir(c.options)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	from, to, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	cmd := exec.Command(self, "up", "--background", "--dir", dir, "--cache", c.options.Cache,
		"--source", c.options.Source, "--versions", c.options.Versions, "--keep-logs", c.options.KeepLogs,
		fmt.Sprintf("--node=%t", c.options.Node), fmt.Sprintf("--tekton=%t", c.options.Tekton),
		fmt.Sprintf("--argo=%t", c.options.Argo), fmt.Sprintf("--events=%t", c.options.Events),
		fmt.Sprintf("--databases=%t", c.options.Databases))
	cmd.Stdout, cmd.Stderr = to, to
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	to.Close()
	if err != nil {
		return fmt.Errorf("starting the background half: %w", err)
	}
	// It does not get our Ctrl-C by itself. If it has just let go, Down finds it.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
	if _, err := io.Copy(c.stderr, from); err != nil {
		return fmt.Errorf("listening to the background half: %w", err)
	}
	k, err := cluster.Attach(ctx, dir)
	if err != nil {
		if exit := cmd.Wait(); exit != nil {
			return fmt.Errorf("the cluster did not start: %w", exit)
		}
		return err
	}
	fmt.Fprintf(c.stdout, "export KUBECONFIG=%s\n", k.Kubeconfig())
	return cmd.Process.Release()
}
