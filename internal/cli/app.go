// Package cli is the command line: flags, exit codes and hints. It is the only room that
// knows urfave/cli.
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/urfave/cli/v2"
	"k8s.io/klog/v2"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// Main runs the command line and returns the exit code. args includes the program's name.
func Main(args []string, version string, stdout, stderr io.Writer) int {
	ctx, stop := signals(context.Background())
	defer stop()
	m := newProgram(stdout, stderr)
	defer m.stderr.flush(flushLimit)
	err := m.app(version).RunContext(ctx, args)
	if err != nil {
		m.log.Error(err.Error(), "hint", hintOf(err))
	}
	return exitCode(err)
}

// program is one run of the command line.
type program struct {
	stdout io.Writer
	stderr *lines
	log    *slog.Logger           // as text until the flags say otherwise
	format atomic.Pointer[string] // of the log
}

func newProgram(stdout, stderr io.Writer) *program {
	m := &program{stdout: stdout}
	m.stderr = newLines(stderr, m.lost)
	m.speak("text")
	return m
}

// speak sets the format of the log.
func (m *program) speak(format string) {
	m.format.Store(&format)
	m.log = newLog(m.stderr, format)
}

// lost is the message that stands in for n that nobody read.
func (m *program) lost(n int) []byte {
	var b bytes.Buffer
	newLog(&b, *m.format.Load()).Warn(fmt.Sprintf("%d messages were dropped: stderr was not read", n))
	return b.Bytes()
}

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

// run connects to the cluster, acts, and leaves the results.
func (m *program) run(act action) cli.ActionFunc {
	return func(c *cli.Context) error {
		switch format := c.String("log-format"); format {
		case "":
			m.speak("text")
		case "text", "json":
			m.speak(format)
		default:
			return usageError{fmt.Errorf("--log-format %q is neither text nor json", format), ""}
		}
		m.log = m.log.With("command", c.Command.Name)
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
		m.log = m.log.With("namespace", cluster.Namespace, "pvc", o.claims[0])
		s := step.Step{
			Claims:    pvc.In(cluster.Metadata, cluster.Namespace, "copytrigger"),
			VolSync:   volsync.In(cluster.Dynamic, cluster.Metadata, cluster.Namespace),
			ClaimOnly: o.claimOnly,
			Namespace: cluster.Namespace, Claim: o.claims[0],
			Log: m.log,
		}
		values, err := act.do(c.Context, s, o)
		undo := func(why error) error {
			if act.undo == nil {
				return nil
			}
			return act.undo(c.Context, s, o, why)
		}
		return m.leave(values, o.resultsDir, err, undo)
	}
}
