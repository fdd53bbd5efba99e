package podexec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copytrigger/copytrigger/internal/pods"
)

const shell = "/bin/sh"

// script runs a command as exec does, so with the same stdin, and then says how it ended. $0 is
// the word that nobody else says.
const script = `t=$0; while [ "$1" != -- ]; do export "$1"; shift; done; shift
command -v "$1" >/dev/null 2>&1 || { printf '\n%s none\n' "$t"; exit 127; }
(exec "$@"); c=$?; printf '\n%s %s\n' "$t" "$c"; exit "$c"`

// wrapped is the command that the container gets.
func wrapped(c Command, token string) []string {
	return slices.Concat([]string{shell, "-c", script, token}, c.Env, []string{"--"}, c.Args)
}

func newToken() string { return "copytrigger-" + strings.ToLower(rand.Text()) }

// ending is how a command says it ended.
type ending struct {
	code int
	none bool // its program is not there
}

// readEnding returns what stands after the token. It reports false for what no shell writes there.
func readEnding(said string) (ending, bool) {
	if said == "none" {
		return ending{notFound, true}, true
	}
	code, err := strconv.Atoi(said)
	return ending{code, false}, err == nil && code >= 0 && code <= 255 && strconv.Itoa(code) == said
}

func (e ending) result(t pods.Target) (int, error) {
	if e.none {
		return e.code, &NotRun{Where: t, Err: errors.New("there is no such program")}
	}
	return e.code, failure(t, e.code)
}

// Check finds out whether these commands can be run in a container, without running them: the right
// to, the shell if one is needed, the programs. It reports whether the container has a shell.
func (e Exec) Check(ctx context.Context, t pods.Target, commands ...[]string) (shellThere bool, err error) {
	// Some shells find a path that is not executable, too.
	const look = `n=1; for p; do command -v "$p" >/dev/null 2>&1 || exit "$n"
case $p in */*) if command -v [ >/dev/null 2>&1; then [ -x "$p" ] && [ ! -d "$p" ] || exit "$n"; fi ;; esac
n=$((n+1)); done`
	var programs []string
	needed := false
	for _, c := range commands {
		needed = needed || c[0] == shell
		programs = append(programs, c[0])
	}
	code, err := e.Run(ctx, t, Command{Args: slices.Concat([]string{shell, "-c", look, "sh"}, programs)})
	var notRun *NotRun
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &notRun) && notRun.NoShell && !needed:
		return false, nil
	case errors.As(err, &notRun) || code > len(programs):
		return false, err
	}
	return true, &NotRun{Where: t, Err: fmt.Errorf("there is no program %s", programs[code-1])}
}
