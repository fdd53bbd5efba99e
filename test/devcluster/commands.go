package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

func (c *command) build(ctx context.Context, args []string) error {
	if _, err := c.parse("build", args, c.parts); err != nil {
		return err
	}
	return cluster.Build(ctx, c.options)
}

func (c *command) down(ctx context.Context, args []string) error {
	if _, err := c.parse("down", args, nil); err != nil {
		return err
	}
	err := cluster.Down(ctx, c.options)
	if errors.Is(err, cluster.ErrDown) {
		fmt.Fprintln(c.stderr, "devcluster: no cluster was running")
		return nil
	}
	return err
}

func (c *command) status(ctx context.Context, args []string) error {
	if _, err := c.parse("status", args, nil); err != nil {
		return err
	}
	k, err := c.attach(ctx)
	if err != nil {
		return err
	}
	components, err := k.Status(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tPID\tADDRESS\tSTATE")
	ready := true
	for _, s := range components {
		pid, address := "-", "-"
		if s.Pid != 0 {
			pid = fmt.Sprint(s.Pid)
		}
		if s.Address != "" {
			address = s.Address
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Name, pid, address, s.State)
		ready = ready && s.State == cluster.Ready
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	fmt.Fprintf(c.stdout, "export KUBECONFIG=%s\n", k.Kubeconfig())
	if !ready {
		return errors.New("not all components are ready")
	}
	return nil
}

func (c *command) ctl(ctx context.Context, args []string) error {
	rest, err := c.parse("ctl", args, nil)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		fmt.Fprintln(c.stderr, "usage: devcluster ctl [flags] NAME kill|stop|start|restart|pause|resume")
		return errUsage
	}
	k, err := c.attach(ctx)
	if err != nil {
		return err
	}
	return k.Component(rest[0]).Do(ctx, rest[1])
}

func (c *command) pace(ctx context.Context, args []string) error {
	var p pace.Pace
	_, err := c.parse("pace", args, func(flags *flag.FlagSet) {
		flags.DurationVar(&p.CutDelay, "cut-delay", 0, "time before the first file is copied")
		flags.DurationVar(&p.FilePause, "file-pause", 0, "time between one file and the next")
		flags.DurationVar(&p.ReadyDelay, "ready-delay", 0, "time after the copy until it is ready to use")
	})
	if err != nil {
		return err
	}
	k, err := c.attach(ctx)
	if err != nil {
		return err
	}
	return k.SetPace(p)
}

func (c *command) attach(ctx context.Context) (*cluster.Cluster, error) {
	dir, err := cluster.DefaultDir(c.options)
	if err != nil {
		return nil, err
	}
	return cluster.Attach(ctx, dir)
}
