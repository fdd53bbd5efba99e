package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

const mine = "run-1.0123456789abcdef"

// parsed returns what a command line comes to, short of doing it.
func parsed(args ...string) (flagSet, error) {
	var got flagSet
	m := newProgram(io.Discard, io.Discard, withSignals())
	commands := m.commands()
	for i, c := range commands {
		commands[i].action = func(ctx *cli.Context) error {
			got = c.flags
			return m.begin(ctx, c.flags)
		}
	}
	err := m.app("v1", commands).RunContext(context.Background(), append([]string{"copytrigger"}, args...))
	return got, err
}

// programs makes programs in a directory, so that a command line may name them.
func programs(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// noEnv takes away the variables of the environment that the tests run in.
func noEnv(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "COPYTRIGGER_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
}

// What the groups of flags come to by default, and for the claim data and the run run-1.
func output() outputFlags {
	return outputFlags{logFlags: logFlags{"text"}, resultsLimit: result.FilesLimit}
}

func claim(names ...string) claimFlags {
	return claimFlags{clusterFlags: clusterFlags{outputFlags: output()}, claims: names}
}

func runID() runIDFlags { return runIDFlags{runID: "run-1", runGiven: true} }

func trigger(t *testing.T, text string) triggerFlags {
	t.Helper()
	parsed, err := handshake.ParseTrigger(mine)
	if err != nil {
		t.Fatal(err)
	}
	return triggerFlags{triggerText: text, trigger: parsed}
}

func disarmOf(claims claimFlags) *disarmFlags {
	return &disarmFlags{claimFlags: claims, runIDFlags: runID(), timeoutFlags: timeoutFlags{20 * time.Second}}
}

// parsing is a command line, and what it comes to.
type parsing struct {
	args []string
	want flagSet
}

func parses(t *testing.T, all map[string]parsing) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			noEnv(t)
			if got, err := parsed(c.args...); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

// refusal is a command line that is refused, with what the error and the hint have in them.
type refusal struct {
	args []string
	says string
	hint string
}

func refuses(t *testing.T, all map[string]refusal) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			noEnv(t)
			_, err := parsed(c.args...)
			if exitCode(err) != 64 {
				t.Fatalf("got %v, want a usage error", err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(hintOf(err), c.hint) {
				t.Errorf("got %q, hint %q, want %q, %q", err, hintOf(err), c.says, c.hint)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	disarm := func(args ...string) []string { return append([]string{"disarm", "--run-id", "run-1"}, args...) }
	parses(t, map[string]parsing{
		"a claim":                               {disarm("--pvc", "data"), disarmOf(claim("data"))},
		"a name with dots":                      {disarm("--pvc", "data.db-0"), disarmOf(claim("data.db-0"))},
		"an argument":                           {disarm("data"), disarmOf(claim("data"))},
		"an argument behind --":                 {disarm("--", "data"), disarmOf(claim("data"))},
		"an argument like a command":            {disarm("--", "help"), disarmOf(claim("help"))},
		"an argument like a flag that is given": {disarm("--", "run-id"), disarmOf(claim("run-id"))},
		"nothing behind --":                     {disarm("--pvc", "data", "--"), disarmOf(claim("data"))},
	})
}

func TestResultsDir(t *testing.T) {
	dir := t.TempDir()
	want := claim("data")
	want.resultsDir = dir
	parses(t, map[string]parsing{
		"above one that is not there": {
			args: []string{"disarm", "--run-id", "run-1", "--pvc", "data", "--results-dir", dir + "/outcome/.."},
			want: disarmOf(want),
		},
	})
	refuses(t, map[string]refusal{
		"no such directory": {
			args: []string{"disarm", "--run-id", "r", "--pvc", "a", "--results-dir", filepath.Join(dir, "none")},
			says: "results directory", hint: "--results-dir",
		},
	})
}

func TestWhere(t *testing.T) {
	f := clusterFlags{namespace: "app", kubeconfig: "kc", context: "ctx"}
	want := kube.Where{Namespace: "app", Kubeconfig: "kc", Context: "ctx", UserAgent: "copytrigger/v1"}
	if got := f.where("v1"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
