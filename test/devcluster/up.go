package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// upFlags are what up can be told.
type upFlags struct {
	detach     bool
	background bool // the background half of --detach
	stdin      bool
}

func (c *command) up(ctx context.Context, args []string) error {
	var f upFlags
	_, err := c.parse("up", args, func(flags *flag.FlagSet) {
		c.parts(flags)
		flags.BoolVar(&f.detach, "detach", false, "leave the cluster running in the background")
		flags.BoolVar(&f.background, "background", false, "be what --detach leaves running; not for people")
		flags.BoolVar(&f.stdin, "until-stdin-closes", false, "stop at the end of standard input as well")
		flags.StringVar(&c.options.KeepLogs, "keep-logs", "", "directory to save the logs in when the cluster stops")
	})
	if err != nil {
		return err
	}
	if !f.background {
		if err := cluster.Build(ctx, c.options); err != nil {
			return err
		}
	}
	if f.detach {
		return c.detach(ctx)
	}
	if f.stdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	return c.own(ctx, f)
}

// own has a cluster until it is told to end, or the cluster does.
func (c *command) own(ctx context.Context, f upFlags) (err error) {
	k, err := cluster.Up(ctx, c.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Stop()) }()
	if f.background {
		if err := letGo(k.Dir()); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.stdout, "export KUBECONFIG=%s\n", k.Kubeconfig())
		fmt.Fprintln(c.stderr, "devcluster: running; Ctrl-C stops it and removes everything")
	}
	err = k.Wait(ctx)
	if errors.Is(err, cluster.ErrStopped) || ctx.Err() != nil {
		return nil
	}
	if f.background {
		// Seen by nobody, but kept with the other logs.
		fmt.Fprintln(c.stderr, "devcluster:", err)
	}
	return err
}

// letGo turns standard output and error from the pipe to the foreground half, which
// ends with that, to a log: a panic is to be found somewhere.
func letGo(dir string) error {
	log, err := os.Create(filepath.Join(dir, "log", "devcluster.log"))
	if err != nil {
		return fmt.Errorf("going to the background: %w", err)
	}
	defer log.Close()
	for _, fd := range []int{1, 2} {
		if err := syscall.Dup3(int(log.Fd()), fd, 0); err != nil {
			return fmt.Errorf("going to the background: %w", err)
		}
	}
	return nil
}
