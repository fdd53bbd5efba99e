package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/step"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The results of one claim are as they always were; of more, each has an object.
func TestResultsOfClaims(t *testing.T) {
	one := step.Step{Namespace: "app", Claim: "data", Group: []string{"data"}}
	two := step.Step{Namespace: "app", Group: []string{"data", "wal"}}
	copied := []step.Copied{
		{CutTime: "2000-01-01T00:00:03Z", Took: 2 * time.Second, Copy: "uid-1"},
		{CutTime: "2000-01-01T00:00:01.5Z", Took: time.Second, Copy: "uid-2"},
	}
	v := claimValues(one)
	setCopied(&v, one, copied[:1], nil)
	setCopies(&v, one, copied[:1])
	want := `{"outcome":"ok","reason":"","pvc":"app/data","cut-time":"2000-01-01T00:00:03Z",` +
		`"copy-seconds":2,"copy":"uid-1"}`
	if got := asJSON(t, v); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	copied[0].CutTime, copied[1].CutTime = "2000-01-01T00:00:03Z", "2000-01-01T00:00:03.25Z"
	v = claimValues(two)
	setCopied(&v, two, copied, nil)
	setCopies(&v, two, copied)
	want = `{"outcome":"ok","reason":"","pvcs":["data","wal"],"cut-time":"2000-01-01T00:00:03.25Z","copy-seconds":2,` +
		`"skew-seconds":0.25,"claims":[{"name":"data","outcome":"ok","cut-time":"2000-01-01T00:00:03Z","copy":"uid-1"},` +
		`{"name":"wal","outcome":"ok","cut-time":"2000-01-01T00:00:03.25Z","copy":"uid-2"}],"copy":"data=uid-1,wal=uid-2"}`
	if got := asJSON(t, v); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	copied[1].CutTime = "" // of a clone nobody sees it
	v = claimValues(two)
	if setCopied(&v, two, copied, nil); v.Get("skew-seconds") != "" {
		t.Errorf("the distance from a cut that nobody saw is %v", v.Get("skew-seconds"))
	}
}

// A pipeline declares its results for any number of claims: one claim has those of a group in files.
func TestResultFilesOfOneClaim(t *testing.T) {
	one := step.Step{Namespace: "app", Claim: "data", Group: []string{"data"}}
	dir := t.TempDir()
	v := claimValues(one)
	setWaiting(&v, one, step.Waiting{Members: []step.WaitingOn{{Claim: "data", Source: "backup"}}}, nil)
	setFired(&v, one, step.Fired{At: time.Date(2000, 1, 1, 0, 0, 2, 0, time.UTC)}, nil)
	setCopied(&v, one, []step.Copied{{CutTime: "2000-01-01T00:00:03Z"}}, nil)
	if err := v.Write(io.Discard, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"pvcs":         `["data"]`,
		"skew-seconds": "0",
		"claims": `[{"source":"backup","waiting-since":"","name":"data","outcome":"ok",` +
			`"fired-at":"2000-01-01T00:00:02.000Z","cut-time":"2000-01-01T00:00:03Z"}]`,
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(got) != len(want) || name != "claims" && string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
}

// No claim of a group that ended badly as a whole is said to be well.
func TestResultsOfMembersThatEndBadly(t *testing.T) {
	two := step.Step{Namespace: "app", Group: []string{"data", "wal"}}
	late := &outcome.Ending{Outcome: outcome.TimedOut, Why: "timed out"}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"as a whole": {late, `[{"name":"data","outcome":"timed-out"},{"name":"wal","outcome":"timed-out"}]`},
		"unknown":    {errors.New("no"), `[{"name":"data","outcome":"failed"},{"name":"wal","outcome":"failed"}]`},
		"one": {
			&step.MemberErrors{Errors: []error{nil, late}},
			`[{"name":"data","outcome":"ok"},{"name":"wal","outcome":"timed-out","reason":"timed out"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := claimValues(two)
			setMembers(&v, two, c.err, nil)
			if got := asJSON(t, v.Get("claims")); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A claim that a cleanup leaves locked is not said to be well because nothing was armed on it.
func TestResultsOfMembersThatAreLeft(t *testing.T) {
	two := step.Step{Namespace: "app", Group: []string{"data", "wal"}}
	stays := &outcome.Ending{Outcome: outcome.Failed, Left: outcome.LeftLocked, Why: "no"}
	v := claimValues(two)
	setDisarmed(&v, two, []step.Disarmed{
		{Outcome: outcome.Withdrawn, Lock: step.Own}, {Outcome: outcome.OK, Lock: step.Own},
	}, &step.MemberErrors{Errors: []error{nil, stays}})
	want := `[{"name":"data","outcome":"withdrawn","lock":"own"},{"name":"wal","outcome":"failed",` +
		`"reason":"THE CLAIM MAY STAY LOCKED: no","lock":"own"}]`
	if got := asJSON(t, v.Get("claims")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
