package cli

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

func TestExitCode(t *testing.T) {
	stop := step.Stop{Name: "SIGTERM", Number: 15}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything else"), 1},
		{&step.Ending{Outcome: step.Failed}, 1},
		{&step.Ending{Outcome: "unheard of"}, 1},
		{usageError{errors.New("no"), ""}, 2},
		{&step.Ending{Outcome: handshake.Refused}, 3},
		{&step.Ending{Outcome: handshake.Withdrawn}, 4},
		{&step.Ending{Outcome: handshake.Withdrawn, Err: stop}, 4}, // a signal is not what counts once it has fired
		{&step.Ending{Outcome: handshake.Tainted, Err: stop}, 5},
		{&step.Ending{Outcome: handshake.Unverified}, 6},
		{&step.Ending{Outcome: step.Usage}, 2},
		{&step.Ending{Outcome: step.TimedOut}, 124},
		{&step.Ending{Outcome: step.Signalled, Err: fmt.Errorf("%w: %w", stop, errors.New("no server"))}, 143},
		{&step.Ending{Outcome: step.Signalled, Err: step.Stop{Name: "SIGINT", Number: 2}}, 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%#v) = %d, want %d", c.err, got, c.want)
		}
		if got := exitCode(errors.Join(c.err)); got != c.want {
			t.Errorf("joined: exitCode(%#v) = %d, want %d", c.err, got, c.want)
		}
	}
}

// A code and its outcome are the same, whichever one is asked for; of all codes only those
// of the table have one.
func TestMeaning(t *testing.T) {
	known := []int{0, 1, 2, 3, 4, 5, 6, 124, 129, 130, 143}
	for code := -1; code <= 256; code++ {
		outcome, stop := meaning(code)
		if (outcome != "") != slices.Contains(known, code) {
			t.Errorf("meaning(%d) = %q", code, outcome)
		}
		var err error
		if outcome != handshake.OK {
			err = &step.Ending{Outcome: outcome, Err: stop}
		}
		if got := exitCode(err); outcome != "" && got != code {
			t.Errorf("meaning(%d) = %q, whose code is %d", code, outcome, got)
		}
		if (outcome == step.Signalled) != (stop.Name != "") {
			t.Errorf("meaning(%d) = %q, %v", code, outcome, stop)
		}
	}
}

// The test above names every outcome that there is.
func TestExitCodeKnowsEveryOutcome(t *testing.T) {
	test, err := os.ReadFile("exit_test.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for pkg, file := range map[string]string{"handshake": "../handshake/decide.go", "step": "../step/step.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t(\w+)\s+(?:handshake\.)?Outcome = "`).FindAllSubmatch(source, -1) {
			declared++
			if name := string(m[1]); name != "OK" && !regexp.MustCompile(`Outcome: `+pkg+`\.`+name+`\b`).Match(test) {
				t.Errorf("%s.%s has no exit code in the test", pkg, name)
			}
		}
	}
	if declared < 8 {
		t.Errorf("found only %d outcomes", declared)
	}
}

func TestHintOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&step.Ending{Hint: "do this"}, "do this"},
		{usageError{errors.New("no"), "do that"}, "do that"},
		{errors.New("no"), ""},
	} {
		if got := hintOf(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
