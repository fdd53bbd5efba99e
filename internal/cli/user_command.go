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
)

// cannotRun is the hint for a command that cannot be run.
const cannotRun = "is it in the image of this container, and executable?"

// environmentWithout returns the environment of a user's command: all but the variables of
// flags that were meant for this program itself. If the command runs a step of this program,
// that step would take them for its own.
func environmentWithout(flags ...string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.ContainsFunc(flags, func(flag string) bool { return name == env(flag)[0] })
	})
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

// userCommand returns a command of the user's, with the run and the limit of the freeze in its
// environment. A freeze of 0 has no limit.
func (m *program) userCommand(args []string, runID string, freeze time.Duration) process.Command {
	vars := append(environmentWithout("quiesce", "unquiesce", "hold", "ready-line", "run-id", "until", "results-dir",
		"selector"), env("run-id")[0]+"="+runID)
	if freeze > 0 {
		seconds := int(max(freeze, time.Second) / time.Second)
		vars = append(vars, env("max-freeze-seconds")[0]+"="+strconv.Itoa(seconds))
	}
	return process.Command{Args: args, Env: vars, Stdout: m.stderr, Stderr: m.stderr}
}
