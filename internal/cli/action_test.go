package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// kubeconfig names a server that is not there.
func kubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	err := os.WriteFile(path, []byte(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}],
contexts: [{name: c, context: {cluster: c, namespace: app}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// failing is a stdout that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// acted runs one action as a command.
func acted(t *testing.T, stdout io.Writer, dir string, act action) error {
	t.Helper()
	m, f := newProgram(stdout, io.Discard, withSignals()), &claimFlags{}
	app := m.app("v1", []command{{name: "act", flags: f, action: m.onCluster(f, act)}})
	return app.Run([]string{
		"copytrigger", "act", "--kubeconfig", kubeconfig(t), "--pvc", "data", "--results-dir", dir,
	})
}

func ok() result.Values {
	var v result.Values
	v.Set("outcome", "ok")
	v.Set("reason", "")
	v.Set("trigger", mine)
	return v
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var errBroken = errors.New("broken pipe")

// undoCase is an action whose results cannot be written to stdout.
type undoCase struct {
	done     error // how the action ended
	noUndo   bool
	undo     error // how undoing ended
	code     int
	outcome  string
	undone   bool
	messages []string
}

func (c undoCase) test(t *testing.T) {
	dir, undone := t.TempDir(), false
	act := action{do: func(context.Context, step.Step) (result.Values, error) { return ok(), c.done }}
	if !c.noUndo {
		act.undo = func(_ context.Context, s step.Step, why error) error {
			if undone = true; !errors.Is(why, errBroken) || s.Claim != "data" {
				t.Errorf("got %v, claim %q", why, s.Claim)
			}
			return c.undo
		}
	}
	err := acted(t, failing{errBroken}, dir, act)
	if got := exitCode(err); got != c.code || !errors.Is(err, errBroken) || undone != c.undone {
		t.Errorf("got code %d, undone %v, %v; want %d, %v", got, undone, err, c.code, c.undone)
	}
	for _, m := range c.messages {
		if strings.Count(err.Error(), m) != 1 {
			t.Errorf("got %q, want %q in it once", err, m)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("got more than one line: %q", err)
	}
	if got := read(t, dir, "outcome"); got != c.outcome {
		t.Errorf("got outcome %q, want %q", got, c.outcome)
	}
	if read(t, dir, "reason") == "" {
		t.Error("there is no reason")
	}
}

// What was done, but cannot be told, is undone, and the results say so where they can.
func TestUndo(t *testing.T) {
	noEnv(t)
	withdrawn := &outcome.Ending{Outcome: outcome.Withdrawn, Why: "it was given back"}
	late := &outcome.Ending{Outcome: outcome.TimedOut, Why: "late"}
	for name, c := range map[string]undoCase{
		"given back": {
			undo: withdrawn,
			code: 4, outcome: "withdrawn", undone: true, messages: []string{"it was given back", "broken pipe"},
		},
		"recorded after all": {
			undo: nil,
			code: 1, outcome: "failed", undone: true, messages: []string{"broken pipe"},
		},
		"nothing to undo": {
			noUndo: true,
			code:   1, outcome: "failed", messages: []string{"broken pipe"},
		},
		"was a bad end": {
			done: late, undo: withdrawn,
			code: 124, outcome: "timed-out", messages: []string{"late", "broken pipe"},
		},
		"failed without name": {
			done: errors.New("odd"), undo: withdrawn,
			code: 1, outcome: "failed", messages: []string{"odd", "broken pipe"},
		},
	} {
		t.Run(name, c.test)
	}
}

// An ending that tells of the failed write already need not do so twice.
func TestUndoSaysItOnce(t *testing.T) {
	noEnv(t)
	err := acted(t, failing{errBroken}, t.TempDir(), action{
		do: func(context.Context, step.Step) (result.Values, error) { return ok(), nil },
		undo: func(_ context.Context, _ step.Step, why error) error {
			return &outcome.Ending{Outcome: outcome.Tainted, Why: why.Error() + "; it was too late", Err: why}
		},
	})
	if exitCode(err) != 5 || err.Error() != "writing the results: broken pipe; it was too late" {
		t.Errorf("got %v", err)
	}
}

// stdout tells the end when a file cannot be written, and never that it went well.
func TestFileFails(t *testing.T) {
	noEnv(t)
	dir, out := t.TempDir(), strings.Builder{}
	if err := os.MkdirAll(filepath.Join(dir, "trigger", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := acted(t, &out, dir, action{
		do: func(context.Context, step.Step) (result.Values, error) { return ok(), nil },
		undo: func(context.Context, step.Step, error) error {
			return &outcome.Ending{Outcome: outcome.Withdrawn, Why: "it was given back"}
		},
	})
	if exitCode(err) != 4 {
		t.Errorf("got %v", err)
	}
	want := `{"outcome":"withdrawn","reason":"it was given back","trigger":"` + mine + `"}` + "\n"
	if out.String() != want {
		t.Errorf("got %swant %s", out.String(), want)
	}
	if got := read(t, dir, "outcome"); got != "withdrawn" {
		t.Errorf("got outcome %q", got)
	}
}

// Results that are written undo nothing.
func TestGoodEndIsLeftAlone(t *testing.T) {
	noEnv(t)
	dir, out := t.TempDir(), strings.Builder{}
	err := acted(t, &out, dir, action{
		do:   func(context.Context, step.Step) (result.Values, error) { return ok(), nil },
		undo: func(context.Context, step.Step, error) error { t.Error("undone"); return nil },
	})
	if err != nil || !strings.HasPrefix(out.String(), `{"outcome":"ok","reason":"",`) || read(t, dir, "outcome") != "ok" {
		t.Errorf("got %v, %s", err, out.String())
	}
}

// The last line is about the same things as the others.
func TestFinalErrorHasAttributes(t *testing.T) {
	noEnv(t)
	var out, log bytes.Buffer
	code := newProgram(&out, &log, withSignals()).main([]string{
		"copytrigger", "await-waiting", "--kubeconfig", kubeconfig(t), "--pvc", "data", "--timeout", "0",
		"--log-format", "json",
	}, "v1")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	var last map[string]string
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"level": "ERROR", "command": "await-waiting", "namespace": "app", "pvc": "data",
	} {
		if last[key] != want {
			t.Errorf("got %s %q, want %q", key, last[key], want)
		}
	}
	if code != 1 {
		t.Errorf("got code %d", code)
	}
}
