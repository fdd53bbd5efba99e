package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/process"
	"github.com/copytrigger/copytrigger/internal/step"
)

// cannotRun is the hint for a command that cannot be run.
const cannotRun = "is it in the image of this container, and executable?"

// runOnLinux is the hint for a command that this operating system cannot control.
const runOnLinux = "run it on Linux, such as in a pod; all that runs no command of yours works here, too: " +
	"cleanup without --unquiesce, after you have unquiesced by hand, or disarm and unlock"

// prefix is that of all variables of this program: one a flag ([env]).
const prefix = "COPYTRIGGER_"

// forCommands are the variables that a command of the user's gets of those with our prefix. Those
// of flags are meant for this program itself: there may be another command in them, with a
// password, and a step of this program that the command runs would take them for its own.
func forCommands() []string {
	return []string{"COPYTRIGGER_RUN_ID", "COPYTRIGGER_NAMESPACE", "COPYTRIGGER_PVCS", "COPYTRIGGER_MAX_FREEZE_SECONDS"}
}

// environment returns our own environment, without the variables that have our prefix and are not
// among kept.
func environment(kept ...string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, prefix) && !slices.Contains(kept, name)
	})
}

// environmentOf returns the environment of a command that record runs. A step of this program
// needs its flags; those of record are not among them.
func environmentOf(command []string) []string {
	if !isSelf(command[0]) {
		return environment(forCommands()...)
	}
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc([]string{"after", "command", "exit", "dry-run", "with-pvcs"}, func(flag string) bool {
			return name == env(flag)[0]
		})
	})
}

// isSelf reports whether a program is this one.
func isSelf(program string) bool {
	path, err := process.LookPath(program)
	self, serr := executable()
	if err != nil || serr != nil {
		return false
	}
	a, aerr := os.Stat(path)
	b, berr := os.Stat(self)
	return aerr == nil && berr == nil && os.SameFile(a, b)
}

// stdoutOf returns what takes the place of our stdout for a user's command: a pipe that is not
// read must not hold up an unquiesce. A file is not read by anybody, and is the command's own.
func (m *program) stdoutOf(command string) io.Writer {
	if f, is := m.stdout.(*os.File); is {
		if info, err := f.Stat(); err == nil && (info.Mode().IsRegular() || isNull(info)) {
			return f
		}
	}
	m.commandOut = newLines(m.stdout, func(n int) []byte {
		m.log.Warn(fmt.Sprintf("%d times a part of what %s said was dropped: stdout was not read", n, command))
		return nil
	})
	m.commandOut.patience = time.Second // what it says may be data
	return m.commandOut
}

func isNull(info os.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// userCommand returns a command of the user's, with the run, its claims and the limit of the freeze
// in its environment. A freeze of 0 has no limit.
func (m *program) userCommand(s step.Step, args []string, runID string, freeze time.Duration) process.Command {
	vars := append(environment(),
		"COPYTRIGGER_RUN_ID="+runID, "COPYTRIGGER_NAMESPACE="+s.Namespace, "COPYTRIGGER_PVCS="+strings.Join(s.Group, " "))
	if freeze > 0 {
		seconds := int(max(freeze, time.Second) / time.Second)
		vars = append(vars, "COPYTRIGGER_MAX_FREEZE_SECONDS="+strconv.Itoa(seconds))
	}
	return process.Command{Args: args, Env: vars, Stdout: m.stderr, Stderr: m.stderr}
}
