package step

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// verdict gives the error, and what is logged.
func verdict(t *testing.T, rs Reports) (freeze any, logged string, err error) {
	t.Helper()
	l := &log{}
	out, err := Verdict(rs, slog.New(slog.NewTextHandler(l, nil)))
	if out.Get("outcome") != "ok" || out.Get("reason") != "" {
		t.Errorf("got outcome %v, reason %v before the end is known", out.Get("outcome"), out.Get("reason"))
	}
	return out.Get("freeze-seconds"), l.b.String(), err
}

func TestVerdictWell(t *testing.T) {
	for says, rs := range map[string]Reports{
		"VolSync recorded the trigger": ran(0, 0, 0, 0, 0, 0),
		"the clean-up ended well":      ran(absent, absent, absent, absent, 0, 0),
	} {
		if _, logged, err := verdict(t, rs); err != nil || !strings.Contains(logged, says) {
			t.Errorf("got %v, %s, want %q", err, logged, says)
		}
	}
}

// The reason names the step, its code, what that means, and what else went wrong.
func TestVerdictSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		run       []int
		why, hint string
	}{
		"quiesce": {[]int{0, 1, 3, 3, 0, 0}, "quiesce ended with exit code 1: nothing was fired", "see why in the log of the step"},
		"await":   {[]int{0, 0, 0, 4, 0, 0}, "await-completed ended with exit code 4: the trigger was taken back before VolSync took it, so no copy was made", "see why in the log of the step"},
		"lost": {[]int{0, 0, 0, none, none, none}, "await-completed did not run to its end (there is no /tekton/steps/step-await-completed/exitCode): " + armed +
			"; disarm did not run to its end (there is no /tekton/steps/step-disarm/exitCode)" +
			"; unquiesce did not run to its end (there is no /tekton/steps/step-unquiesce/exitCode): the application may still be quiesced",
			"first make sure that the application runs again; run disarm, then unquiesce, if they have not run; do not use this sync's copy"},
		"unquiesce": {[]int{0, 0, 0, 0, 0, 1}, "unquiesce ended with exit code 1: the application may still be quiesced",
			"first make sure that the application runs again; do not rely on this sync's copy"},
		"unquiesce too": {[]int{0, 0, 0, 6, 0, 1}, "await-completed ended with exit code 6: a copy was recorded that cannot be tied to the freeze; unquiesce ended with exit code 1: the application may still be quiesced",
			"first make sure that the application runs again; do not rely on this sync's copy"},
		"disarm": {[]int{0, 0, 0, 0, 3, 0}, "disarm ended with exit code 3: " + untied, "do not rely on this sync's copy"},
	} {
		t.Run(name, func(t *testing.T) {
			_, logged, err := verdict(t, ran(c.run...))
			var ending *Ending
			if !errors.As(err, &ending) || ending.Why != c.why || ending.Hint != c.hint || logged != "" {
				t.Errorf("got %q, hint %q\nwant %q, hint %q", err, ending.Hint, c.why, c.hint)
			}
		})
	}
}

// A signal keeps its number.
func TestVerdictSignalled(t *testing.T) {
	_, _, err := verdict(t, ran(0, 0, 143, 3, 0, 0))
	if got := (Stop{}); !errors.As(err, &got) || got.Number != 15 {
		t.Errorf("got %v of %v", got, err)
	}
}

func TestVerdictFreeze(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := func(code int, after time.Duration) quiesce.Exit {
		return quiesce.Exit{Ended: true, Code: code, At: start.Add(after)}
	}
	for name, c := range map[string]struct {
		exits map[string]quiesce.Exit
		want  any
	}{
		"both":              {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, 0), nameUnquiesce: ended(0, 12345678*time.Microsecond)}, 12.346},
		"one failed":        {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, 0), nameUnquiesce: ended(1, time.Second)}, 1.0},
		"at once":           {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, 0), nameUnquiesce: ended(0, 0)}, 0.0},
		"the clock was set": {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, time.Second), nameUnquiesce: ended(0, 0)}, ""},
		"no beginning":      {map[string]quiesce.Exit{nameUnquiesce: ended(0, 0)}, ""},
		"beginning lost":    {map[string]quiesce.Exit{nameAwaitWaiting: {}, nameUnquiesce: ended(0, 0)}, ""},
		"no end":            {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, 0)}, ""},
		"end lost":          {map[string]quiesce.Exit{nameAwaitWaiting: ended(0, 0), nameUnquiesce: {}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, _ := verdict(t, NewReports(c.exits, meaning)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestIncomplete(t *testing.T) {
	for _, c := range []struct {
		run  []int
		want bool
	}{
		{[]int{0, 0, 0, 0, 0, 0}, false},
		{[]int{absent, absent, absent, 0}, false},
		{[]int{absent, absent, absent, absent, 0, 0}, false},
		{[]int{0}, true},
		{[]int{absent, 0}, true},
		{[]int{absent, absent, 0}, true},
		{[]int{0, 0, 0, absent, 0, 0}, true},
	} {
		if got := Incomplete(ran(c.run...)); got != c.want {
			t.Errorf("%v: got %v", c.run, got)
		}
	}
}

// The codes of the user's own commands are not ours.
func TestReportsOfTheUsersSteps(t *testing.T) {
	for name, r := range ran(5, 5, 5, 5, 5, 5) {
		want := handshake.Tainted
		if name == "quiesce" || name == "unquiesce" {
			want = ""
		}
		if r.Outcome != want || !r.failed() {
			t.Errorf("%s: got the outcome %q of the code 5", name, r.Outcome)
		}
	}
}

// What record kept from running, after an await-waiting that refused, has frozen nothing.
func TestVerdictOfWhatWasKept(t *testing.T) {
	for name, c := range map[string]struct {
		waiting, quiesce, unquiesce quiesce.Exit
		frozen                      bool
	}{
		"kept":               {ended(3), ended(3), ended(3), false},
		"kept, timed out":    {ended(124), ended(3), ended(3), false},
		"waited well":        {ended(0), ended(3), ended(3), true},
		"unquiesce failed":   {ended(3), ended(3), ended(1), true},
		"quiesce ran":        {ended(3), ended(1), ended(3), true},
		"nobody knows":       {quiesce.Exit{Doubt: "none"}, ended(3), ended(3), true},
		"unquiesce was lost": {ended(3), ended(3), quiesce.Exit{Doubt: "none"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verdict(NewReports(map[string]quiesce.Exit{nameAwaitWaiting: c.waiting, nameQuiesce: c.quiesce,
				nameFireTrigger: ended(3), nameAwaitCompleted: ended(3), nameUnquiesce: c.unquiesce}, coded), slog.New(slog.DiscardHandler))
			if err == nil || strings.Contains(err.Error(), frozen) != c.frozen {
				t.Errorf("got %v", err)
			}
		})
	}
}

func ended(code int) quiesce.Exit { return quiesce.Exit{Ended: true, Code: code} }

// coded is as much of the program's exit codes as is used here.
func coded(code int) (handshake.Outcome, Stop) {
	return map[int]handshake.Outcome{0: handshake.OK, 1: Failed, 3: handshake.Refused, 124: TimedOut}[code], Stop{}
}

// What fires and waits in one process says by one exit code what two steps say by two.
func TestVerdictOfFireAndAwait(t *testing.T) {
	for code, want := range map[int]handshake.Outcome{
		0: handshake.OK, 3: handshake.Refused, 4: handshake.Withdrawn, 5: handshake.Tainted, 6: handshake.Unverified, 124: TimedOut,
		1: Failed, 137: handshake.Tainted, 143: handshake.Tainted,
	} {
		meaning := func(code int) (handshake.Outcome, Stop) {
			switch code {
			case 1:
				return Failed, Stop{}
			case 3:
				return handshake.Refused, Stop{}
			case 4:
				return handshake.Withdrawn, Stop{}
			case 5:
				return handshake.Tainted, Stop{}
			case 6:
				return handshake.Unverified, Stop{}
			case 124:
				return TimedOut, Stop{}
			case 143:
				return Signalled, Stop{Name: "SIGTERM", Number: 15}
			}
			return "", Stop{}
		}
		exits := map[string]quiesce.Exit{}
		for _, name := range []string{nameAwaitWaiting, nameQuiesce, nameUnquiesce, nameUnlock} {
			exits[name] = quiesce.Exit{Ended: true}
		}
		exits[nameFireAndAwait] = quiesce.Exit{Ended: true, Code: code}
		_, _, err := verdict(t, NewReports(exits, meaning))
		got, why := handshake.OK, ""
		var ending *Ending
		if errors.As(err, &ending) {
			got, why = ending.Outcome, ending.Why
		}
		if got != want || want != handshake.OK && !strings.HasPrefix(why, nameFireAndAwait+" ended with exit code") {
			t.Errorf("%d: got %s, %q, want %s", code, got, why, want)
		}
	}
	// One that is given, but has left no file, is as bad as one that was killed.
	_, _, err := verdict(t, NewReports(map[string]quiesce.Exit{nameQuiesce: {Ended: true}, nameFireAndAwait: {Doubt: "there is no file"}}, func(int) (handshake.Outcome, Stop) { return "", Stop{} }))
	var ending *Ending
	if !errors.As(err, &ending) || ending.Outcome != handshake.Tainted {
		t.Errorf("got %v, want tainted", err)
	}
}
