// Package cli is the command line: flags, exit codes and hints. It is the only room that
// knows urfave/cli.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/urfave/cli/v2"
	"k8s.io/klog/v2"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// Main runs the command line and returns the exit code. args includes the program's name.
func Main(args []string, version string, stdout, stderr io.Writer) int {
	ctx, stop := signals(context.Background())
	defer stop()
	m := &program{stdout: stdout, stderr: stderr, log: newLog(stderr, "text")}
	err := m.app(version).RunContext(ctx, args)
	if err != nil {
		m.log.Error(err.Error(), "hint", hintOf(err))
	}
	return exitCode(err)
}

// program is one run of the command line.
type program struct {
	stdout, stderr io.Writer
	log            *slog.Logger // as text until the flags say otherwise
}

// action is a command once its flags are read and the cluster is known.
type action func(ctx context.Context, s step.Step, o options) (result.Values, error)

func (m *program) app(version string) *cli.App {
	return &cli.App{
		Name:    "copytrigger",
		Usage:   "freeze an application around VolSync's copy of its volume",
		Version: version,
		Description: "The steps of one run, in order: await-waiting, (quiesce), fire-trigger,\n" +
			"await-completed, (unquiesce). On any failure after fire-trigger: disarm, then\n" +
			"unquiesce. stdout has the results as one JSON object, stderr the progress.",
		Commands:       m.commands(),
		Writer:         m.stdout,
		ErrWriter:      m.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // or urfave/cli would exit by itself
		OnUsageError:   onUsageError,
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return cli.ShowAppHelp(c)
			}
			return usageError{fmt.Errorf("unknown command %q", c.Args().First()), "copytrigger --help lists the commands"}
		},
	}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	where := "copytrigger --help"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "copytrigger" {
		where = "copytrigger " + c.Command.Name + " --help"
	}
	return usageError{err, "see " + where}
}

// run connects to the cluster, acts, and leaves the results. They are written for a bad
// end too, so that what a pipeline declares is there to be read.
func (m *program) run(act action) cli.ActionFunc {
	return func(c *cli.Context) error {
		switch format := c.String("log-format"); format {
		case "text", "json":
			m.log = newLog(m.stderr, format)
		default:
			return usageError{fmt.Errorf("--log-format %q is neither text nor json", format), ""}
		}
		// client-go's own messages belong to the progress, in its format.
		klog.SetSlogLogger(m.log)
		o, err := parse(c)
		if err != nil {
			return err
		}
		cluster, err := kube.Connect(o.where)
		if errors.Is(err, kube.ErrNowhere) {
			return usageError{err, "set KUBECONFIG or --kubeconfig, or run in a pod with a service account"}
		}
		if err != nil {
			return usageError{err, "check --kubeconfig and --context"}
		}
		s := step.Step{
			Claims:    pvc.In(cluster.Metadata, cluster.Namespace, "copytrigger"),
			VolSync:   volsync.In(cluster.Dynamic, cluster.Metadata, cluster.Namespace),
			ClaimOnly: o.claimOnly,
			Namespace: cluster.Namespace, Claim: o.claims[0],
			Log: m.log.With("command", c.Command.Name, "namespace", cluster.Namespace, "pvc", o.claims[0]),
		}
		values, err := act(c.Context, s, o)
		var ending *step.Ending
		if errors.As(err, &ending) {
			values.Set("outcome", string(ending.Outcome))
			values.Set("reason", ending.Why)
		}
		if werr := values.Write(m.stdout, o.resultsDir); werr != nil {
			return errors.Join(err, werr)
		}
		return err
	}
}
