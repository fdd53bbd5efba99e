// Command demo shows what copytrigger is for. It starts a throw-away cluster with the
// real VolSync, lets an application write to a volume without pause, and has VolSync
// copy that volume twice: coordinated by copytrigger, and not. It examines both copies,
// and fails unless the first is consistent and the second is torn.
//
// Everything it starts and writes is gone when it ends.
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
)

// options are what the command line says.
type options struct {
	copytrigger string // path of the binary; found or built if empty
	writer      string // auto, postgres or files
	keepLogs    string
}

func main() { os.Exit(realMain(os.Args[1:], os.Stdout, os.Stderr)) }

func realMain(args []string, stdout *os.File, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	// The application may be another user, who has to reach its files through ours.
	syscall.Umask(0o022)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// Signals stay caught to the end: a second Ctrl-C must not interrupt the clearing up.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() { cancel(stopped{(<-signals).(syscall.Signal)}) }()

	// Nobody reading any more is no reason to die in the middle.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	s := newStory(stdout)
	s.lost = func(err error) { cancel(fmt.Errorf("telling the story: %w", err)) }
	err = show(ctx, o, s)
	var stop stopped
	var left leftover
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &left) && errors.As(context.Cause(ctx), &stop):
		fmt.Fprintf(stderr, "demo: %v; everything is cleared away\n", stop)
		return 128 + int(stop.signal)
	default:
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(
		&o.copytrigger,
		"copytrigger",
		"",
		"`path` of copytrigger (default: bin/copytrigger of the repository, built if it is not there)",
	)
	flags.StringVar(
		&o.writer,
		"writer",
		"auto",
		"the application: postgres, files, or auto for PostgreSQL where there is one",
	)
	flags.StringVar(&o.keepLogs, "keep-logs", "", "`directory` to save the cluster's logs in")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.writer != "auto" && o.writer != "postgres" && o.writer != "files":
		err = fmt.Errorf("--writer %q is none of auto, postgres and files", o.writer)
	}
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
	}
	return o, err
}

// leftover says that something could not be cleared away.
type leftover struct{ error }

func (l leftover) Unwrap() error { return l.error }

// cleared joins what became of clearing away to what became of the demonstration.
func cleared(err, clearing error) error {
	if clearing == nil {
		return err
	}
	return errors.Join(err, leftover{clearing})
}

// stopped is the end by a signal.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return "stopped by signal: " + s.signal.String() }
