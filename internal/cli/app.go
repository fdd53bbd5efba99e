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

	"github.com/copytrigger/copytrigger/internal/events"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Main runs the command line and returns the exit code. args includes the program's name.
func Main(args []string, build Build, stdout, stderr io.Writer) int {
	m := newProgram(stdout, stderr, processSignals{})
	m.build = build
	return m.main(args, build.Version)
}

func (m *program) main(args []string, version string) int {
	// Signals stay caught until the process ends: the exit code says what was done, not that a
	// signal came a moment before the end.
	alive, end := context.WithCancel(context.Background())
	defer end()
	ctx, stop := signals(alive, m.signals, func() bool { return !m.secondSignalIgnored.Load() })
	m.stopListening = func() (outcome.Stop, bool) { stop(); return stopOf(ctx) }
	defer m.flush()
	err := m.app(version, m.commands()).RunContext(ctx, args)
	if said := (commandExit(0)); err != nil && !errors.As(err, &said) {
		m.log.Error(err.Error(), "hint", hintOf(err))
	}
	return exitCode(err)
}

// program is one run of the command line.
type program struct {
	build               Build
	stdout              io.Writer
	stderr              *lines
	rawStderr           io.Writer              // to see whether it is a terminal
	commandOut          *lines                 // stdout of a user's command; nil for none
	log                 *slog.Logger           // as text until the flags say otherwise
	format              atomic.Pointer[string] // of the log
	signals             signalSource
	events              *events.Recorder // of the namespace; nil for a command that asks no cluster
	secondSignalIgnored atomic.Bool      // a second signal does not kill
	// stopListening hands the signals over to its caller. It returns the signal that came
	// before, if one did.
	stopListening func() (outcome.Stop, bool)
}

func newProgram(stdout, stderr io.Writer, from signalSource) *program {
	m := &program{
		stdout: stdout, rawStderr: stderr, signals: from,
		stopListening: func() (outcome.Stop, bool) { return outcome.Stop{}, false },
	}
	m.stderr = newLines(stderr, m.lost)
	m.setLogFormat("text")
	return m
}

// flush waits until what was said is written, but not for whom nobody reads.
func (m *program) flush() {
	if m.commandOut != nil {
		m.commandOut.flush(flushLimit, flushTotal)
	}
	m.stderr.flush(flushLimit, flushTotal)
}

// setLogFormat sets the format of the log.
func (m *program) setLogFormat(format string) {
	m.format.Store(&format)
	m.log = newLog(m.stderr, format)
}

// lost returns the message that takes the place of n that nobody read.
func (m *program) lost(n int) []byte {
	var b bytes.Buffer
	newLog(&b, *m.format.Load()).Warn(fmt.Sprintf("%d messages were dropped: stderr was not read", n))
	return b.Bytes()
}

// app returns the command line with these commands.
func (m *program) app(version string, commands []command) *cli.App {
	all := []*cli.Command{exitCodesTopic()}
	for _, c := range commands {
		all = append(all, c.cli())
	}
	return &cli.App{
		Name:    "copytrigger",
		Usage:   "freeze an application around VolSync's copy of its volume",
		Version: version,
		Description: "The steps of one run, in order: await-waiting, (quiesce), fire-trigger,\n" +
			"await-completed, (unquiesce), unlock. On any failure: disarm, then unquiesce, then unlock:\n" +
			"cleanup does all three. Where later steps run although one has failed: verdict, and record\n" +
			"where they would not. After a run that was cancelled: first await-pods-ended.\n" +
			"stdout has the results as one JSON object, stderr the progress.\n" +
			"copytrigger help exit-codes says what the exit codes mean.",
		Commands:       all,
		Writer:         m.stdout,
		ErrWriter:      m.stderr,
		ExitErrHandler: func(*cli.Context, error) {}, // or urfave/cli would exit by itself
		OnUsageError:   onUsageError,
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return cli.ShowAppHelp(c)
			}
			return usageError{fmt.Errorf("unknown command %q", c.Args().First()),
				"copytrigger --help lists the commands"}
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
