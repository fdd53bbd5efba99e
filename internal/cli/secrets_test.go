package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/step"
)

const secret = "hunter2"

// A command line that cannot be meant is told without what may be a password in it.
func TestNoSecretsInMessages(t *testing.T) {
	noEnv(t)
	dsn := "postgres://me:" + secret + "@db"
	for name, line := range map[string][]string{
		"no JSON":                {"run", "--pvc", "data", "--quiesce", `["psql", "` + dsn + `"`, "--unquiesce", "true"},
		"no strings":             {"run", "--pvc", "data", "--quiesce", `["psql", 1, "` + dsn + `"]`, "--unquiesce", "true"},
		"one word":               {"run", "--pvc", "data", "--quiesce", `["psql ` + dsn + `"]`, "--unquiesce", "true"},
		"without quotes":         {"run", "--pvc", "data", "--unquiesce", "true", "--quiesce", "psql", dsn},
		"without quotes, a flag": {"run", "--pvc", "data", "--quiesce", "true", "--unquiesce", "true", "x", "-p" + secret},
		"long flag": {
			"run", "--pvc", "data", "--quiesce", "true", "--unquiesce", "true", "x", "--password=" + secret,
		},
		"unquiesce":             {"cleanup", "--pvc", "data", "--run-id", "r", "--unquiesce", `["psql ` + dsn + `"]`},
		"hold":                  {"run", "--pvc", "data", "--hold", `["psql", "` + dsn + `"`},
		"record, no JSON":       {"record", "--command", `["psql", "` + dsn + `"`, "--exit"},
		"record, one word":      {"record", "--exit", "--", "psql " + dsn},
		"record, one word, dry": {"record", "--exit", "--dry-run", "--", "psql " + dsn},
		"record, both":          {"record", "--command", `["true"]`, "--exit", "--", "psql", dsn},
		"record, without --":    {"record", t.TempDir() + "/code", dsn},
		"record, not run":       {"record", "--after", "none", "--exit", "--", "psql " + dsn},
		"install":               {"install", "dir", dsn},
		"disarm":                {"disarm", "--run-id", "r", "--", dsn},
		"verdict":               {"verdict", "--step", "disarm=f", dsn},
	} {
		var out, errs bytes.Buffer
		m := newProgram(&out, &errs, withSignals())
		code := m.main(append([]string{"copytrigger"}, line...), "v1")
		if code == 0 || errs.Len() == 0 {
			t.Errorf("%s: got code %d, %q", name, code, &errs)
		}
		if strings.Contains(out.String()+errs.String(), secret) {
			t.Errorf("%s: a secret is said: %s%s", name, &out, &errs)
		}
	}
}

// Of our variables a user's command gets those that are for it.
func TestEnvironmentOfCommands(t *testing.T) {
	noEnv(t)
	for _, c := range newProgram(nil, nil, withSignals()).commands() {
		for _, flag := range c.flags.flags() {
			t.Setenv(env(flag.Names()[0])[0], secret)
		}
	}
	t.Setenv("COPYTRIGGER_NO_FLAG", secret)
	t.Setenv("THEIRS", "stays")
	ours := func(vars []string) (got []string) {
		for _, kv := range vars {
			if strings.HasPrefix(kv, prefix) {
				got = append(got, kv)
			}
		}
		slices.Sort(got)
		return got
	}
	m := newProgram(nil, nil, withSignals())
	c := m.userCommand(step.Step{Namespace: "app", Group: []string{"data", "wal"}}, []string{"true"}, "r", 90_000_000_000)
	want := []string{
		"COPYTRIGGER_MAX_FREEZE_SECONDS=90", "COPYTRIGGER_NAMESPACE=app", "COPYTRIGGER_PVCS=data wal", "COPYTRIGGER_RUN_ID=r",
	}
	if got := ours(c.Env); !slices.Equal(got, want) || !slices.Contains(c.Env, "THEIRS=stays") {
		t.Errorf("run: got %q, want %q", got, want)
	}
	want = []string{"COPYTRIGGER_NAMESPACE=" + secret, "COPYTRIGGER_RUN_ID=" + secret}
	if got := ours(environmentOf([]string{"true"})); !slices.Equal(got, want) {
		t.Errorf("record: got %q, want %q", got, want)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := environmentOf([]string{self}) // a step needs its flags
	if !slices.Contains(got, "COPYTRIGGER_PVC="+secret) || slices.Contains(got, "COPYTRIGGER_COMMAND="+secret) {
		t.Errorf("record of a step: got %q", ours(got))
	}
}

// A command of exec finds the claims of the whole run, where they are said, and else those of exec.
func TestEnvironmentInPod(t *testing.T) {
	noEnv(t)
	s := step.Step{Namespace: "app", Group: []string{"data", "wal"}}
	want := []string{"COPYTRIGGER_NAMESPACE=app", "COPYTRIGGER_PVCS=data wal"}
	if got := environmentInPod(s); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("COPYTRIGGER_RUN_ID", "r")
	t.Setenv("COPYTRIGGER_PVCS", "data logs wal")
	want = []string{"COPYTRIGGER_RUN_ID=r", "COPYTRIGGER_PVCS=data logs wal", "COPYTRIGGER_NAMESPACE=app"}
	if got := environmentInPod(s); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"as it is: é": "as it is: é", "a\nb": `a\x0ab`, "a\x1b[2Jb": `a\x1b[2Jb`, "a\n": "a", "\x9b": "\ufffd",
		"a\u009bb": `a\x9bb`,
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
