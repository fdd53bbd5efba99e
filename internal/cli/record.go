package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// recordCommand is for engines that stop a pod as soon as one container fails. It needs no
// cluster.
func (m *program) recordCommand() *cli.Command {
	return &cli.Command{
		Name:      "record",
		Usage:     "run a command, keep its exit code in a file for verdict and --after, and exit with 0",
		ArgsUsage: "FILE [-- COMMAND [ARG...]], or --exit [-- COMMAND [ARG...]]",
		Description: "Where a step that fails stops all that come after it, unquiesce too (an Argo\n" +
			"containerSet). FILE appears when the command has ended: with its exit code, 128+n if a\n" +
			"signal killed it, 126 or 127 if it cannot be run or --command is no JSON array, 3 if\n" +
			"--after kept it from running.\n" +
			"There is no FILE if this command is killed itself. SIGTERM, SIGINT and SIGHUP go to\n" +
			"the process group of the command. It exits with 1, and has run nothing, if FILE cannot\n" +
			"be written; with 64 if the command line is wrong.\n\n" +
			"Where it is only a command that cannot be started which stops what comes after it (a\n" +
			"Tekton step with onError: continue): --exit, with no FILE. It exits with the code that it\n" +
			"would keep.\n\n" +
			"Example:\n   copytrigger record /run/copytrigger/quiesce -- psql --file=quiesce.sql",
		Flags:  []cli.Flag{commandFlag(), afterFlag(), exitFlag(), dryRunFlag(), logFlag()},
		Action: m.record,
	}
}

func (m *program) record(c *cli.Context) error {
	o, err := m.begin(c)
	if err != nil {
		return err
	}
	if o.exit {
		if code := m.runRecorded(o); code != 0 {
			return commandExit(code)
		}
		return nil
	}
	recording, err := exitfile.Record(o.file)
	if err != nil {
		return &outcome.Ending{Outcome: outcome.Failed, Err: err, Why: "nothing was run: " + err.Error(), Hint: "give a file in an existing, writable directory"}
	}
	return recording.Ended(m.runRecorded(o))
}

// runRecorded is the exit code to record.
func (m *program) runRecorded(o options) int {
	got := listen(m.signals, len(outcome.Stops()))
	m.catch(syscall.SIGPIPE) // the program ignores it
	// A second signal must not kill us now: there would be no file.
	if stop, stopped := m.stopListening(); stopped {
		m.log.Warn(fmt.Sprintf("%s was not run: %s", o.command[0], stop))
		return outcome.Signalled.Code(stop)
	}
	if o.after != "" {
		if exit := exitfile.Read(o.after); !exit.OK() {
			m.log.Warn(fmt.Sprintf("%s was not run: what it comes after %s", o.command[0], exit), "after", o.after)
			return outcome.Refused.Code(outcome.Stop{})
		}
	}
	if o.unreadable != nil {
		m.log.Error(o.unreadable.Error(), "hint", hintOf(o.unreadable))
		return quiesce.NotExecutable
	}
	if o.dryRun {
		code, err := quiesce.CanRun(o.command[0])
		if err != nil {
			m.log.Error(fmt.Sprintf("%s cannot be run: %v", o.command[0], err), "hint", cannotRun)
		}
		return code
	}
	code, err := quiesce.Command{Args: o.command, Env: environmentWithout("after", "command", "exit", "dry-run"), Stdin: os.Stdin, Stdout: m.stdout, Stderr: m.rawStderr}.Run(got)
	switch {
	case err != nil:
		m.log.Error(fmt.Sprintf("%s was not run: %v", o.command[0], err), "hint", cannotRun)
	case code != 0:
		m.log.Warn(fmt.Sprintf("%s ended with exit code %d", o.command[0], code))
	}
	return code
}

const cannotRun = "is it in the image of this container, and executable?"

// environmentWithout is that of a user's command: all but the variables of flags that were
// meant for this program itself. A step of it that the command runs would take them for its
// own.
func environmentWithout(flags ...string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(flags, func(flag string) bool { return name == env(flag)[0] })
	})
}

// catch catches signals that are then no reason to die or to stop. What is caught is not
// inherited by a command, as what is ignored would be.
func (m *program) catch(s ...os.Signal) { m.signals.Notify(make(chan os.Signal, 1), s...) }
