package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

func TestExitCode(t *testing.T) {
	stop := outcome.Stop{Name: "SIGTERM", Number: 15}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything else"), 1},
		{&outcome.Ending{Outcome: outcome.Failed}, 1},
		{&outcome.Ending{Outcome: "unheard of"}, 1},
		{usageError{errors.New("no"), ""}, 64},
		{&outcome.Ending{Outcome: outcome.Refused}, 3},
		{&outcome.Ending{Outcome: outcome.Withdrawn}, 4},
		{&outcome.Ending{Outcome: outcome.Withdrawn, Err: stop}, 4}, // a signal is not what counts once it has fired
		{&outcome.Ending{Outcome: outcome.Tainted, Err: stop}, 5},
		{&outcome.Ending{Outcome: outcome.Unverified}, 6},
		{&outcome.Ending{Outcome: outcome.Usage}, 64},
		{&outcome.Ending{Outcome: outcome.TimedOut}, 124},
		{&outcome.Ending{Outcome: outcome.Signalled, Err: fmt.Errorf("%w: %w", stop, errors.New("no server"))}, 143},
		{&outcome.Ending{Outcome: outcome.Signalled, Err: outcome.Stop{Name: "SIGINT", Number: 2}}, 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%#v) = %d, want %d", c.err, got, c.want)
		}
		if got := exitCode(errors.Join(c.err)); got != c.want {
			t.Errorf("joined: exitCode(%#v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestHintOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&outcome.Ending{Hint: "do this"}, "do this"},
		{usageError{errors.New("no"), "do that"}, "do that"},
		{errors.New("no"), ""},
	} {
		if got := hintOf(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
