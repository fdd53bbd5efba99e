package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Every result on stdout is a file too, where a directory is given, also of steps that
// do not end well: a pipeline that declares a result finds it.
func TestResultFiles(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Replicate(harness.Source{})
	step := func(code int, command string, args ...string) *harness.Result {
		t.Helper()
		dir := t.TempDir()
		r := s.Run(command, append(args, "--results-dir", dir)...).Ends(code)
		files, err := os.ReadDir(dir)
		s.Must(err)
		for _, file := range files { // those of groups are there for one claim, too: an engine waits for them
			if _, is := r.Values[file.Name()]; !is && !slices.Contains([]string{"claims", "pvcs", "skew-seconds"}, file.Name()) {
				t.Errorf("%s: file %s for the results %v", command, file.Name(), r.Values)
			}
		}
		for name, value := range r.Values {
			text, err := os.ReadFile(filepath.Join(dir, name))
			s.Must(err)
			if string(text) != fmt.Sprint(value) {
				t.Errorf("%s: file %s has %q, stdout %v", command, name, text, value)
			}
		}
		return r
	}
	trigger := step(harness.OK, "await-waiting", "--run-id", "run").Value("trigger")
	step(harness.OK, "fire-trigger", "--trigger", trigger)
	step(harness.OK, "await-completed", "--trigger", trigger)
	step(harness.OK, "disarm", "--run-id", "run")
	step(harness.OK, "unlock", "--run-id", "run")
	step(harness.TimedOut, "await-waiting", "--run-id", "next", "--timeout", "0")
	step(harness.Tainted, "fire-trigger", "--trigger", handmade)
	step(harness.Unverified, "await-completed", "--trigger", handmade)
}

// A directory that cannot be written to is refused before anything is done.
func TestResultsDirectoryIsTriedFirst(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	s.Run("fire-trigger", "--trigger", trigger, "--results-dir", filepath.Join(t.TempDir(), "none")).
		Exits(harness.Usage).Says("results directory", "hint: give an existing, writable directory")
	s.Leaves("", "", harness.Waiting)
}

// With --log-format=json every line of stderr is an object that says what it is about.
func TestLogAsJSON(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Annotate(harness.Use, "false")
	s.Replicate(harness.Source{})
	lines := func(r *harness.Result) []map[string]any {
		t.Helper()
		var all []map[string]any
		for line := range strings.Lines(r.Stderr) {
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			for _, key := range []string{"time", "level", "msg"} {
				if object[key] == nil {
					t.Errorf("%q has no %s", line, key)
				}
			}
			all = append(all, object)
		}
		return all
	}
	const json = "--log-format=json"
	r := s.Run("await-waiting", "--run-id", "run", json).Ends(harness.OK)
	if len(lines(r)) == 0 {
		t.Error("no warning")
	}
	for _, object := range lines(r) {
		if object["pvc"] != harness.Claim || object["namespace"] != s.Namespace || object["command"] != "await-waiting" {
			t.Errorf("%v does not say what it is about", object)
		}
	}
	trigger := r.Value("trigger")
	lines(s.Run("fire-trigger", "--trigger", trigger, json).Ends(harness.OK))
	lines(s.Run("await-completed", "--trigger", trigger, json).Ends(harness.OK))
	last := lines(s.Run("fire-trigger", "--trigger", handmade, json).Ends(harness.Tainted))
	if object := last[len(last)-1]; object["level"] != "ERROR" || object["hint"] == "" {
		t.Errorf("the error is %v", object)
	}
	lines(s.Run("disarm", "--run-id", "run", json).Ends(harness.OK))
}

// A step that has nothing to wait for has little to say, and a library under it nothing.
func TestSaysNoMoreThanItHasTo(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	r := s.Run("await-waiting", "--run-id", "run").Ends(harness.OK)
	if r.Stderr != "" {
		t.Errorf("await-waiting says %q", r.Stderr)
	}
	trigger := r.Value("trigger")
	if got := withoutConflicts(s.Fire(trigger).Stderr); strings.Count(got, "\n") != 1 {
		t.Errorf("fire-trigger says %q", got)
	}
	s.AwaitRecorded(trigger)
	if got := s.AwaitCompleted(trigger).Stderr; strings.Count(got, "\n") != 1 {
		t.Errorf("await-completed says %q", got)
	}
}

// withoutConflicts leaves out that a controller has changed the claim between look and write.
func withoutConflicts(said string) string {
	lines := slices.DeleteFunc(slices.Collect(strings.Lines(said)), func(line string) bool {
		return strings.Contains(line, "the claim has changed; deciding again")
	})
	return strings.Join(lines, "")
}
