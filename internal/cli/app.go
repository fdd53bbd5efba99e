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
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// Main runs the command line and returns the exit code. args includes the program's name.
func Main(args []string, version string, stdout, stderr io.Writer) int {
	return newProgram(stdout, stderr, processSignals{}).main(args, version)
}

func (m *program) main(args []string, version string) int {
	// Signals are not left to the default at the end: the exit code is that of what was done,
	// not of one that comes a moment before it.
	alive, end := context.WithCancel(context.Background())
	defer end()
	ctx, stop := signals(alive, m.signals, func() bool { return !m.secondSignalIgnored.Load() })
	m.stopListening = func() (outcome.Stop, bool) { stop(); return stopOf(ctx) }
	defer m.stderr.flush(flushLimit)
	err := m.app(version).RunContext(ctx, args)
	if said := (commandExit(0)); err != nil && !errors.As(err, &said) {
		m.log.Error(err.Error(), "hint", hintOf(err))
	}
	return exitCode(err)
}

// program is one run of the command line.
type program struct {
	stdout              io.Writer
	stderr              *lines
	rawStderr           io.Writer              // for a command that is run
	log                 *slog.Logger           // as text until the flags say otherwise
	format              atomic.Pointer[string] // of the log
	signals             signalSource
	secondSignalIgnored atomic.Bool // a second signal does not kill
	// stopListening leaves the signals to whoever asks. One that has come until then is told.
	stopListening func() (outcome.Stop, bool)
}

func newProgram(stdout, stderr io.Writer, from signalSource) *program {
	m := &program{stdout: stdout, rawStderr: stderr, signals: from, stopListening: func() (outcome.Stop, bool) { return outcome.Stop{}, false }}
	m.stderr = newLines(stderr, m.lost)
	m.setLogFormat("text")
	return m
}

// setLogFormat sets the format of the log.
func (m *program) setLogFormat(format string) {
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
			"unquiesce. Where later steps run although one has failed: verdict, and record where\n" +
			"they would not. In a clean-up after a run that was cancelled: await-pods-ended,\n" +
			"disarm, unquiesce.\n" +
			"stdout has the results as one JSON object, stderr the progress.\n" +
			"copytrigger help exit-codes says what the exit codes mean.",
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

// begin reads the flags, and gives the log the format that they ask for.
func (m *program) begin(c *cli.Context) (options, error) {
	switch format := c.String("log-format"); format {
	case "":
		m.setLogFormat("text")
	case "text", "json":
		m.setLogFormat(format)
	default:
		return options{}, usageError{fmt.Errorf("--log-format %q is neither text nor json", format), ""}
	}
	m.log = m.log.With("command", c.Command.Name)
	// client-go's own messages belong to the progress, in its format.
	klog.SetSlogLogger(m.log)
	return parse(c)
}

// run connects to the cluster, acts, and leaves the results.
func (m *program) run(act action) cli.ActionFunc {
	return func(c *cli.Context) error {
		o, err := m.begin(c)
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
		m.log = m.log.With("namespace", cluster.Namespace)
		s := step.Step{
			Claims:    pvc.In(cluster.Metadata, cluster.Namespace, "copytrigger"),
			VolSync:   volsync.In(cluster.Dynamic, cluster.Metadata, cluster.Namespace),
			Pods:      pods.In(cluster.Metadata, cluster.Namespace),
			ClaimOnly: o.claimOnly,
			Lock:      o.lock,
			UntilCut:  o.untilCut,
			Namespace: cluster.Namespace,
			After:     o.after,
		}
		if len(o.claims) > 0 {
			s.Claim = o.claims[0]
			m.log = m.log.With("pvc", s.Claim)
		}
		s.Log = m.log
		values, err := act.do(c.Context, s, o)
		undo := func(why error) error {
			if act.undo == nil {
				return nil
			}
			return act.undo(c.Context, s, o, why)
		}
		return m.writeResults(values, o.resultsDir, err, undo)
	}
}

// runLocally is run for a command that needs no cluster.
func (m *program) runLocally(do func(o options) (result.Values, error)) cli.ActionFunc {
	return func(c *cli.Context) error {
		o, err := m.begin(c)
		if err != nil {
			return err
		}
		values, err := do(o)
		return m.writeResults(values, o.resultsDir, err, func(error) error { return nil })
	}
}
