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
		"log-format": "json", "run-id": "run-1", "trigger": mine, "timeout": "7s", "ack-timeout": "5s", "pvc-only": "true"}
	m := newProgram(io.Discard, io.Discard)
	for _, c := range m.app("v1").Commands {
		t.Run(c.Name, func(t *testing.T) {
			args := []string{c.Name}
			for _, f := range c.Flags {
				name := f.Names()[0]
				value, known := values[name]
				if !known {
					t.Fatalf("flag --%s is not known to this test", name)
				}
				if value == "true" {
					args = append(args, "--"+name)
				} else {
					args = append(args, "--"+name, value)
				}
			}
			want, err := parsed(args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.Flags {
				name := f.Names()[0]
				variable := "COPYTRIGGER_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				if got := f.(cli.DocGenerationFlag).GetEnvVars(); !slices.Equal(got, []string{variable}) {
					t.Errorf("--%s: got variables %q, want %s", name, got, variable)
				}
				t.Setenv(variable, values[name])
			}
			if got, err := parsed(c.Name); err != nil || !reflect.DeepEqual(got, want) {
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
			if says != "" && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), says)) {
				t.Errorf("got %v, want %q", err, says)
			}
		})
	}
	t.Setenv("COPYTRIGGER_TIMEOUT", "soon")
	if _, err := parsed("disarm"); exitCode(err) != exitUsage {
		t.Errorf("got %v, want a usage error", err)
	}
}
