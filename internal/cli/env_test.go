package cli

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// Every flag of every command can be given by the environment instead.
func TestEnvironment(t *testing.T) {
	noEnv(t)
	dir := t.TempDir()
	values := map[string]string{"pvc": "data", "namespace": "app", "kubeconfig": "kc", "context": "ctx", "results-dir": dir,
		"log-format": "json", "run-id": "run-1", "trigger": mine, "timeout": "7s", "ack-timeout": "5s", "pvc-only": "true", "lock": "true", "keep-out": "true", "copy-timeout": "9s",
		"command": `["true"]`, "exit": "true", "dry-run": "true", "after": "exitCode", "step": "quiesce=a,await-completed=b", "selector": "a=b,c=d",
		"quiesce": "date", "unquiesce": `["sh", "-c", "date"]`, "hold": "cat", "ready-line": "HELD", "max-freeze": "11s", "unquiesce-timeout": "12s", "until": "cut", "copy": "uid-1", "fire": "true"}
	// What cannot be given together with the rest.
	without := map[string][]string{"run": {"hold", "pvc-only"}, "await-waiting": {"pvc-only"}, "await-completed": {"copy", "pvc-only", "until"}, "record": {"exit"}}
	arguments := map[string][]string{"record": {"file"}, "install": {"dir"}} // there is no variable for these
	m := newProgram(io.Discard, io.Discard, withSignals())
	for _, c := range m.app("v1").Commands {
		t.Run(c.Name, func(t *testing.T) {
			args := []string{c.Name}
			for _, f := range c.Flags {
				name := f.Names()[0]
				value, known := values[name]
				if !known {
					t.Fatalf("flag --%s is not known to this test", name)
				}
				if slices.Contains(without[c.Name], name) {
					continue
				}
				if value == "true" {
					args = append(args, "--"+name)
				} else {
					args = append(args, "--"+name, value)
				}
			}
			want, err := parsed(append(args, arguments[c.Name]...)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.Flags {
				name := f.Names()[0]
				variable := "COPYTRIGGER_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				if got := f.(cli.DocGenerationFlag).GetEnvVars(); !slices.Equal(got, []string{variable}) {
					t.Errorf("--%s: got variables %q, want %s", name, got, variable)
				}
				if !slices.Contains(without[c.Name], name) {
					t.Setenv(variable, values[name])
				}
			}
			if got, err := parsed(append([]string{c.Name}, arguments[c.Name]...)...); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestFlagGoesBeforeEnvironment(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "other")
	t.Setenv("COPYTRIGGER_TIMEOUT", "1h")
	got, err := parsed("disarm", "--pvc", "data", "--run-id", "r", "--timeout", "1s")
	if err != nil || !slices.Equal(got.claims, []string{"data"}) || got.timeout != time.Second {
		t.Errorf("got %+v, %v, want what the flags say", got, err)
	}
}

// What is about no claim does not mind the variables of a pod in which other steps run, too.
func TestEnvironmentOfOthers(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "..")
	t.Setenv("COPYTRIGGER_RUN_ID", "")
	if got, err := parsed("await-pods-ended", "-l", "a=b"); err != nil || len(got.claims) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	t.Setenv("COPYTRIGGER_NAMESPACE", "")
	t.Setenv("COPYTRIGGER_KUBECONFIG", "none")
	if got, err := parsed("verdict", "--step", "disarm=f"); err != nil || len(got.claims) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Claims of the environment and of the arguments add up, as those of the flag do.
func TestArgumentsAddToEnvironment(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_PVC", "data")
	if _, err := parsed("disarm", "--run-id", "r", "--", "other"); exitCode(err) != 64 || !strings.Contains(err.Error(), "data, other") {
		t.Errorf("got %v", err)
	}
}

// An engine that was given no value sets an empty variable.
func TestEmptyEnvironment(t *testing.T) {
	noEnv(t)
	for variable, says := range map[string]string{
		"COPYTRIGGER_PVC": "not a claim's name", "COPYTRIGGER_RUN_ID": "--run-id is empty",
		"COPYTRIGGER_TIMEOUT": "", "COPYTRIGGER_NAMESPACE": "--namespace is empty", "COPYTRIGGER_LOG_FORMAT": "", "COPYTRIGGER_RESULTS_DIR": "",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("COPYTRIGGER_PVC", "data")
			t.Setenv("COPYTRIGGER_RUN_ID", "r")
			t.Setenv(variable, "")
			got, err := parsed("disarm")
			if says == "" && (err != nil || got.timeout != 20*time.Second) {
				t.Errorf("got %+v, %v, want the default", got, err)
			}
			if says != "" && (exitCode(err) != 64 || !strings.Contains(err.Error(), says)) {
				t.Errorf("got %v, want %q", err, says)
			}
		})
	}
	t.Run("COPYTRIGGER_HOLD", func(t *testing.T) {
		t.Setenv("COPYTRIGGER_PVC", "data")
		t.Setenv("COPYTRIGGER_HOLD", "")
		t.Setenv("COPYTRIGGER_QUIESCE", "true")
		t.Setenv("COPYTRIGGER_UNQUIESCE", "true")
		if got, err := parsed("run"); err != nil || got.hold != nil || got.quiesce == nil || got.unquiesce == nil {
			t.Errorf("got %+v, %v", got, err)
		}
		t.Setenv("COPYTRIGGER_UNQUIESCE", "")
		if _, err := parsed("run"); exitCode(err) != 64 || !strings.Contains(err.Error(), "--unquiesce is missing") {
			t.Errorf("got %v, want a usage error", err)
		}
		t.Setenv("COPYTRIGGER_QUIESCE", "")
		t.Setenv("COPYTRIGGER_HOLD", "true")
		if got, err := parsed("run"); err != nil || got.hold == nil || got.quiesce != nil || got.unquiesce != nil {
			t.Errorf("got %+v, %v", got, err)
		}
		t.Setenv("COPYTRIGGER_SELECTOR", "")
		if got, err := parsed("release", "--run-id", "r"); err != nil || got.unquiesce != nil || got.selector != "" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("COPYTRIGGER_AFTER", func(t *testing.T) {
		t.Setenv("COPYTRIGGER_AFTER", "")
		if _, err := parsed("fire-trigger", "--pvc", "data", "--trigger", mine); exitCode(err) != 64 || !strings.Contains(err.Error(), "--after is empty") {
			t.Errorf("got %v, want a usage error", err)
		}
	})
	t.Setenv("COPYTRIGGER_TIMEOUT", "soon")
	if _, err := parsed("disarm"); exitCode(err) != 64 {
		t.Errorf("got %v, want a usage error", err)
	}
}
