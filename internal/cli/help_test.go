package cli

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// shellWords returns the arguments that a shell makes of a command line.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	shell := exec.Command("/bin/sh", "-euc", `copytrigger() { printf '%s\0' "$0" "$@"; }; `+line)
	shell.Env = []string{"RUN=run-1", "TRIGGER=" + mine}
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// The help of each command leads with an example, and the program takes it as it stands.
func TestExamples(t *testing.T) {
	noEnv(t)
	dir := t.TempDir()
	programs(t, dir, "fsfreeze")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, c := range newProgram(nil, nil, withSignals()).commands() {
		t.Run(c.name, func(t *testing.T) {
			var help bytes.Buffer
			if code := Main([]string{"copytrigger", c.name, "--help"}, Build{Version: "v1"}, &help, &help); code != 0 {
				t.Fatalf("got code %d", code)
			}
			_, description, found := strings.Cut(help.String(), "\nDESCRIPTION:\n   Example:\n      ")
			if !found {
				t.Fatalf("it does not begin with an example:\n%s", &help)
			}
			example, _, _ := strings.Cut(description, "\n")
			words := shellWords(t, example)
			if len(words) < 2 || words[1] != c.name {
				t.Fatalf("the example does not call copytrigger %s: %q", c.name, example)
			}
			if got, err := parsed(words[1:]...); err != nil || got == nil {
				t.Errorf("%s: got %+v, %v", example, got, err)
			}
		})
	}
}

// What no example may be like is refused.
func TestExamplesAreParsed(t *testing.T) {
	noEnv(t)
	words := shellWords(t, `copytrigger verdict --step quiesce=/tekton/steps/step-quiesce/exitCode --step ...`)
	if _, err := parsed(words[1:]...); exitCode(err) != 64 {
		t.Errorf("got %v, want a usage error", err)
	}
}
