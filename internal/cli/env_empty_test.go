package cli

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// An engine that was given no value sets an empty variable.
func TestEmptyEnvironment(t *testing.T) {
	noEnv(t)
	for variable, says := range map[string]string{
		"COPYTRIGGER_PVC":         "not a claim's name",
		"COPYTRIGGER_RUN_ID":      "--run-id is empty",
		"COPYTRIGGER_NAMESPACE":   "--namespace is empty",
		"COPYTRIGGER_TIMEOUT":     "",
		"COPYTRIGGER_LOG_FORMAT":  "",
		"COPYTRIGGER_RESULTS_DIR": "",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("COPYTRIGGER_PVC", "data")
			t.Setenv("COPYTRIGGER_RUN_ID", "r")
			t.Setenv(variable, "")
			got, err := parsed("disarm")
			if says == "" && (err != nil || got.(*disarmFlags).timeout != 20*time.Second) {
				t.Errorf("got %+v, %v, want the default", got, err)
			}
			if says != "" && (exitCode(err) != 64 || !strings.Contains(err.Error(), says)) {
				t.Errorf("got %v, want %q", err, says)
			}
		})
	}
}

// A gate whose file was not given must not be open.
func TestEmptyAfter(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_AFTER", "")
	_, err := parsed("fire-trigger", "--pvc", "data", "--trigger", mine)
	if exitCode(err) != 64 || !strings.Contains(err.Error(), "--after is empty") {
		t.Errorf("got %v, want a usage error", err)
	}
}

func TestBadEnvironment(t *testing.T) {
	noEnv(t)
	t.Setenv("COPYTRIGGER_TIMEOUT", "soon")
	if _, err := parsed("disarm"); exitCode(err) != 64 {
		t.Errorf("got %v, want a usage error", err)
	}
}

// A command that is empty is one that was not given.
func TestEmptyCommands(t *testing.T) {
	noEnv(t)
	shell := []string{"/bin/sh", "-c", "true"}
	for name, c := range map[string]struct {
		hold, quiesce, unquiesce string
		want                     [3][]string
		says                     string
	}{
		"two commands": {quiesce: "true", unquiesce: "true", want: [3][]string{nil, shell, shell}},
		"one of two":   {quiesce: "true", says: "--unquiesce is missing"},
		"a hold":       {hold: "true", want: [3][]string{shell, nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("COPYTRIGGER_HOLD", c.hold)
			t.Setenv("COPYTRIGGER_QUIESCE", c.quiesce)
			t.Setenv("COPYTRIGGER_UNQUIESCE", c.unquiesce)
			flags, err := parsed("run", "--pvc", "data")
			if c.says != "" {
				if exitCode(err) != 64 || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			f := flags.(*runFlags)
			if got := [3][]string{f.hold.args, f.quiesce.args, f.unquiesce.args}; err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	t.Run("cleanup", func(t *testing.T) {
		t.Setenv("COPYTRIGGER_UNQUIESCE", "")
		t.Setenv("COPYTRIGGER_SELECTOR", "")
		t.Setenv("COPYTRIGGER_AWAIT_PODS", "")
		flags, err := parsed("cleanup", "--pvc", "data", "--run-id", "r")
		if err != nil {
			t.Fatal(err)
		}
		if f := flags.(*cleanupFlags); f.unquiesce.args != nil || f.selector != "" || f.pods != "" {
			t.Errorf("got %+v", f)
		}
	})
}
