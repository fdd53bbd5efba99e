// Command devcluster runs a Kubernetes cluster to throw away, with VolSync and snapshots
// in it, as ordinary processes on 127.0.0.1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

const usage = `usage: devcluster COMMAND [flags]

  build             build what a cluster is made of; minutes at first, nothing later
  up                build, start a cluster and run it until Ctrl-C
  up --detach       the same in the background
  run -- COMMAND    start a cluster, run COMMAND with KUBECONFIG set, and stop the cluster
  down              stop the cluster and remove its folder
  status            show its components; fails unless all are ready
  ctl NAME ACTION   kill, stop, start, restart, pause or resume a component
  pace              say how slowly snapshots and clones are made; fast without flags

Flags of all commands:
  --dir DIR         folder of the cluster (default: cluster, in the cache)
  --cache DIR       where built programs are kept (default: $COPYTRIGGER_CACHE, or .cache)
  --source DIR      root of the repository (default: found from here upwards)
  --versions SET    set of versions to take: current or oldest (default: $VERSIONS, or current)
Flags of build, up and run:
  --node            with a node, where pods run; needs root and Debian's containerd
  --tekton          with Tekton Pipelines, and so with a node
  --argo            with Argo Workflows, and so with a node
  --events          with Argo Events, and so with Argo Workflows
  --databases       with an image of MariaDB, Redis and SQLite, and so with a node
See "devcluster COMMAND --help" for those of one.
`

func main() { os.Exit(realMain(os.Args[1:], os.Stdout, os.Stderr)) }

func realMain(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(stderr, usage)
		return 2
	}
	c := command{stdout: stdout, stderr: stderr, options: cluster.Options{Progress: stderr}}
	run, ok := map[string]func(context.Context, []string) error{
		"build": c.build, "up": c.up, "run": c.run, "down": c.down, "status": c.status, "ctl": c.ctl, "pace": c.pace,
	}[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "devcluster: no command %q\n\n%s", args[0], usage)
		return 2
	}
	err := run(ctx, args[1:])
	var exit exitCode
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp), errors.Is(err, errUsage):
		return 2
	case errors.As(err, &exit):
		return int(exit)
	default:
		fmt.Fprintln(stderr, "devcluster:", err)
		return 1
	}
}

// errUsage has been told to the user already.
var errUsage = errors.New("usage")

// command is what every command has.
type command struct {
	stdout, stderr io.Writer
	options        cluster.Options
}

// parts adds the flags that say what a cluster has.
func (c *command) parts(flags *flag.FlagSet) {
	flags.BoolVar(&c.options.Node, "node", false, "with a node, where pods run")
	flags.BoolVar(&c.options.Tekton, "tekton", false, "with Tekton Pipelines, and so with a node")
	flags.BoolVar(&c.options.Argo, "argo", false, "with Argo Workflows, and so with a node")
	flags.BoolVar(&c.options.Events, "events", false, "with Argo Events, and so with Argo Workflows")
	flags.BoolVar(&c.options.Databases, "databases", false,
		"with an image of MariaDB, Redis and SQLite, and so with a node")
}

// parse reads the flags all have and those the command adds.
func (c *command) parse(name string, args []string, add func(*flag.FlagSet)) ([]string, error) {
	flags := flag.NewFlagSet("devcluster "+name, flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.StringVar(&c.options.Dir, "dir", "", "folder of the cluster")
	flags.StringVar(&c.options.Cache, "cache", "", "where built programs are kept")
	flags.StringVar(&c.options.Source, "source", "", "root of the repository")
	flags.StringVar(&c.options.Versions, "versions", "", "set of versions to take")
	if add != nil {
		add(flags)
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	return flags.Args(), nil
}
