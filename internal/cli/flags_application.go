package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/process"
	"github.com/urfave/cli/v2"
)

// unquiesceFlags are of the commands that let the application run again by a command of the
// user's.
type unquiesceFlags struct {
	unquiesce        commandText
	unquiesceTimeout time.Duration
}

func (f *unquiesceFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{text(&f.unquiesce.text, "unquiesce", usage)}
}

func (f *unquiesceFlags) timeoutFlag() cli.Flag {
	return duration(&f.unquiesceTimeout, "unquiesce-timeout", 5*time.Minute,
		"give up unquiescing after `DURATION`, all attempts together")
}

func (f *unquiesceFlags) check(_ *cli.Context, inPod bool) error {
	return f.unquiesce.check("unquiesce", inPod, false)
}

func (f *unquiesceFlags) checkTimeout(*cli.Context) error {
	return positive("unquiesce-timeout", f.unquiesceTimeout)
}

// applicationFlags are how run quiesces the application and lets it run again.
type applicationFlags struct {
	unquiesceFlags
	quiesce   commandText
	hold      commandText
	readyLine string // of hold
}

func (f *applicationFlags) flags() []cli.Flag {
	return append(append([]cli.Flag{
		text(&f.quiesce.text, "quiesce", "`CMD` that quiesces the application"),
	}, f.unquiesceFlags.flags("`CMD` that lets it run again; it must do no harm where nothing is quiesced, "+
		"and is repeated until it ends with 0, or with 106: it found that the application was not quiesced any more")...),
		text(&f.hold.text, "hold", "`CMD` that keeps it quiesced as long as it runs, instead of both"),
		textOr(&f.readyLine, "ready-line", "QUIESCED",
			"`LINE` by which the command of --hold says that the application is quiesced"),
	)
}

func (f *applicationFlags) check(c *cli.Context, inPod bool) error {
	err := cmp.Or(
		f.quiesce.check("quiesce", inPod, true), f.unquiesceFlags.check(c, inPod), f.hold.check("hold", inPod, true),
	)
	return cmp.Or(err, f.checkTogether(), f.checkReadyLine())
}

func (f *applicationFlags) checkReadyLine() error {
	if line := f.readyLine; line == "" || strings.TrimSpace(line) != line || strings.Contains(line, "\n") {
		return usageError{fmt.Errorf("--ready-line %q is not one line without white space around it", line),
			"the default is QUIESCED"}
	}
	return nil
}

// checkTogether refuses a command line by which nobody lets the application run again.
func (f *applicationFlags) checkTogether() error {
	on, off, hold := f.quiesce.args != nil, f.unquiesce.args != nil, f.hold.args != nil
	see := "give --quiesce CMD and --unquiesce CMD, or --hold CMD"
	switch {
	case hold && (on || off):
		return usageError{errors.New("--hold is given, and --quiesce or --unquiesce as well"),
			"the command of --hold does both: it lets the application go when it ends"}
	case hold || on && off:
		return nil
	case on:
		return usageError{errors.New("--unquiesce is missing: the application would stay quiesced"), see}
	case off:
		return usageError{errors.New("--quiesce is missing"), see}
	}
	return usageError{errors.New("nothing says how to quiesce the application"), see}
}

// commandText is a command of the user's. An empty one is none: an engine that was not given
// one sets an empty variable.
type commandText struct {
	text string
	args []string // nil for none
}

// check reads the command of a flag, and refuses one that cannot be run here, unless it is for a pod.
// One that is bound has to end when this process is killed.
func (t *commandText) check(flag string, inPod, bound bool) (err error) {
	if t.text == "" {
		return nil
	}
	if t.args, err = commandLine(t.text); err != nil {
		return usageError{fmt.Errorf("--%s: %w", flag, err),
			`give it as a shell has it, or as JSON array: '["psql", "--file=x.sql"]'`}
	}
	if inPod {
		return nil
	}
	if err := process.Can(bound); err != nil {
		return usageError{fmt.Errorf("--%s cannot be run: %w", flag, err), runOnLinux}
	}
	if _, err := process.CanRun(t.args[0]); err != nil {
		return usageError{fmt.Errorf("--%s cannot be run: %w", flag, err), cannotRun}
	}
	if err := process.CanRunLine(t.args, environment()); err != nil {
		return usageError{fmt.Errorf("--%s cannot be run: %w", flag, err), cannotRun}
	}
	return nil
}

// commandLine reads a command as a Dockerfile does: a JSON array is the program and its
// arguments, anything else is for the shell.
func commandLine(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	var args []string
	err := json.Unmarshal([]byte(text), &args)
	switch {
	case text == "":
		return nil, errors.New("the command is empty")
	case err == nil && (len(args) == 0 || args[0] == ""):
		return nil, errors.New("the command names no program")
	case err == nil:
		return args, nil
	case strings.HasPrefix(text, `["`): // it was meant to be one
		return nil, notStrings(err)
	}
	return []string{process.Shell, "-c", text}, nil
}
