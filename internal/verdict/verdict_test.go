package verdict

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// The reason names the step, its code, what that means, and what else went wrong.
func TestOutcomeSaysWhy(t *testing.T) {
	const (
		lost  = "did not run to its end (there is no /tekton/steps/step-"
		first = "first make sure that the application runs again; "
	)
	for name, c := range map[string]struct {
		codes     []int
		why, hint string
	}{
		"quiesce": {
			codes: []int{0, 1, 3, 3, 0, 0},
			why:   "quiesce ended with exit code 1: nothing was fired",
			hint:  "see why in the log of the step",
		},
		"await": {
			codes: []int{0, 0, 0, 4, 0, 0},
			why: "await-completed ended with exit code 4: " +
				"the trigger was taken back before VolSync took it, so no copy was made",
			hint: "see why in the log of the step",
		},
		"lost": {
			codes: []int{0, 0, 0, none, none, none},
			why: "await-completed " + lost + "await-completed/exitCode): " + armed +
				"; disarm " + lost + "disarm/exitCode)" +
				"; unquiesce " + lost + "unquiesce/exitCode): " + mayBeFrozen,
			hint: first + "run disarm, then unquiesce, if they have not run; do not use this sync's copy",
		},
		"unquiesce": {
			codes: []int{0, 0, 0, 0, 0, 1},
			why:   "unquiesce ended with exit code 1: the application may still be quiesced",
			hint:  first + "do not rely on this sync's copy",
		},
		"unquiesce too": {
			codes: []int{0, 0, 0, 6, 0, 1},
			why: "await-completed ended with exit code 6: a copy was recorded that cannot be tied to the freeze" +
				"; unquiesce ended with exit code 1: the application may still be quiesced",
			hint: first + "do not rely on this sync's copy",
		},
		"pods": {
			codes: []int{0, 0, 0, 0, 0, 0, 124},
			why:   "await-pods-ended ended with exit code 124: " + couldFreeze,
			hint:  "do not rely on this sync's copy",
		},
		"unlock": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 3},
			why:   "unlock ended with exit code 3: " + locked,
			hint:  outcome.Failed.Next(),
		},
		"pods and unlock too": {
			codes: []int{0, 0, 0, 6, 0, 0, 124, 3},
			why: "await-completed ended with exit code 6: a copy was recorded that cannot be tied to the freeze" +
				"; await-pods-ended ended with exit code 124: " + couldFreeze +
				"; unlock ended with exit code 3: " + locked,
			hint: "do not rely on this sync's copy",
		},
		"disarm too": {
			codes: []int{0, 0, 0, 5, 5, 0},
			why: "await-completed ended with exit code 5: " + outcome.Tainted.Meaning() +
				"; disarm ended with exit code 5: " + armed,
			hint: "run disarm, then unquiesce, if they have not run; do not use this sync's copy",
		},
		"start-sync too": {
			codes: []int{124, absent, absent, absent, 0, 0, absent, absent, absent, 137},
			why: "await-waiting ended with exit code 124: " + outcome.TimedOut.Meaning() +
				"; start-sync ended with exit code 137: " + manualStays,
			hint: "see why in the log of the step",
		},
		"disarm": {
			codes: []int{0, 0, 0, 0, 3, 0},
			why:   "disarm ended with exit code 3: " + untied,
			hint:  "do not rely on this sync's copy",
		},
		"crashed": {
			codes: []int{0, 0, 0, 2, 0, 0},
			why:   "await-completed ended with exit code 2: " + armed,
			hint:  "run disarm, then unquiesce, if they have not run; do not use this sync's copy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := ran(c.codes...).Outcome()
			var ending *outcome.Ending
			if !errors.As(err, &ending) || ending.Why != c.why || ending.Hint != c.hint {
				t.Errorf("got %q, hint %q\nwant %q, hint %q", err, ending.Hint, c.why, c.hint)
			}
		})
	}
}

// A signal keeps its number.
func TestOutcomeSignalled(t *testing.T) {
	err := ran(0, 0, 143, 3, 0, 0).Outcome()
	if got := (outcome.Stop{}); !errors.As(err, &got) || got.Number != 15 {
		t.Errorf("got %v of %v", got, err)
	}
}

func TestFreeze(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ended := func(code int, after time.Duration) exitfile.Exit {
		return exitfile.Exit{Ended: true, Code: code, At: start.Add(after)}
	}
	for name, c := range map[string]struct {
		exits map[string]exitfile.Exit
		want  time.Duration
		known bool
	}{
		"both": {
			exits: map[string]exitfile.Exit{awaitWaiting: ended(0, 0), unquiesce: ended(0, 12345678)},
			want:  12345678, known: true,
		},
		"one failed": {
			exits: map[string]exitfile.Exit{awaitWaiting: ended(0, 0), unquiesce: ended(1, time.Second)},
			want:  time.Second, known: true,
		},
		"at once": {
			exits: map[string]exitfile.Exit{awaitWaiting: ended(0, 0), unquiesce: ended(0, 0)},
			known: true,
		},
		"the clock was set": {
			exits: map[string]exitfile.Exit{awaitWaiting: ended(0, time.Second), unquiesce: ended(0, 0)},
		},
		"no beginning":   {exits: map[string]exitfile.Exit{unquiesce: ended(0, 0)}},
		"beginning lost": {exits: map[string]exitfile.Exit{awaitWaiting: {}, unquiesce: ended(0, 0)}},
		"no end":         {exits: map[string]exitfile.Exit{awaitWaiting: ended(0, 0)}},
		"end lost":       {exits: map[string]exitfile.Exit{awaitWaiting: ended(0, 0), unquiesce: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, known := Of(c.exits).Freeze(); got != c.want || known != c.known {
				t.Errorf("got %s, %v, want %s, %v", got, known, c.want, c.known)
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
		{[]int{absent, absent, absent, absent, 0, 0, absent, absent, absent, 0}, true},
		{[]int{absent, absent, absent, absent, 0, 0, absent, absent, absent, absent, 0}, true},
	} {
		if got := Incomplete(ran(c.run...).reports); got != c.want {
			t.Errorf("%v: got %v", c.run, got)
		}
		if c.want && ran(c.run...).Cleanup() {
			t.Errorf("%v: it is taken for a cleanup alone", c.run)
		}
	}
}

// The codes of the user's own commands are not ours.
func TestCodesOfTheUsersSteps(t *testing.T) {
	for name, r := range ran(5, 5, 5, 5, 5, 5).reports {
		want := outcome.Tainted
		if name == "quiesce" || name == "unquiesce" {
			want = ""
		}
		if r.outcome != want || !r.failed() {
			t.Errorf("%s: got the outcome %q of the code 5", name, r.outcome)
		}
	}
}

// What record kept from running, after an await-waiting that refused, has frozen nothing.
func TestOutcomeOfWhatWasKept(t *testing.T) {
	for name, c := range map[string]struct {
		waiting, quiesced, unquiesced int
		frozen                        bool
	}{
		"kept":               {waiting: 3, quiesced: 3, unquiesced: 3, frozen: false},
		"kept, timed out":    {waiting: 124, quiesced: 3, unquiesced: 3, frozen: false},
		"waited well":        {waiting: 0, quiesced: 3, unquiesced: 3, frozen: true},
		"unquiesce failed":   {waiting: 3, quiesced: 3, unquiesced: 1, frozen: true},
		"quiesce ran":        {waiting: 3, quiesced: 1, unquiesced: 3, frozen: true},
		"nobody knows":       {waiting: none, quiesced: 3, unquiesced: 3, frozen: true},
		"unquiesce was lost": {waiting: 3, quiesced: 3, unquiesced: none, frozen: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := ran(c.waiting, c.quiesced, 3, 3, absent, c.unquiesced).Outcome()
			if err == nil || strings.Contains(err.Error(), mayBeFrozen) != c.frozen {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What fires and waits in one process says by one exit code what two steps say by two.
func TestOutcomeOfFireAndAwait(t *testing.T) {
	known := map[int]outcome.Outcome{
		0: outcome.OK, 1: outcome.Failed, 3: outcome.Refused, 4: outcome.Withdrawn, 5: outcome.Tainted,
		6: outcome.Unverified, 64: outcome.Usage, 124: outcome.TimedOut,
	}
	for code := range 256 {
		want, is := known[code]
		if !is { // 2 of a crash, 126, 127, 137: no step's own; and a signal's, which may have killed it
			want = outcome.Tainted
		}
		exits := map[string]exitfile.Exit{fireAndAwait: {Ended: true, Code: code}}
		for _, name := range []string{awaitWaiting, quiesce, unquiesce, unlock} {
			exits[name] = exitfile.Exit{Ended: true}
		}
		err := Of(exits).Outcome()
		got, why := outcome.OK, ""
		var ending *outcome.Ending
		if errors.As(err, &ending) {
			got, why = ending.Outcome, ending.Why
		}
		if got != want || want != outcome.OK && !strings.HasPrefix(why, fireAndAwait+" ended with exit code") {
			t.Errorf("%d: got %s, %q, want %s", code, got, why, want)
		}
	}
	// One that is given, but has left no file, is as bad as one that was killed.
	err := Of(map[string]exitfile.Exit{quiesce: {Ended: true}, fireAndAwait: {Doubt: "there is no file"}}).Outcome()
	var ending *outcome.Ending
	if !errors.As(err, &ending) || ending.Outcome != outcome.Tainted {
		t.Errorf("got %v, want tainted", err)
	}
}

// The files are read by the names of the steps.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for name, code := range map[string]string{awaitWaiting: "0", awaitCompleted: "4"} {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var ending *outcome.Ending
	if err := Read(files).Outcome(); !errors.As(err, &ending) || ending.Outcome != outcome.Withdrawn {
		t.Errorf("got %v, want withdrawn", err)
	}
	for want, run := range map[bool]Run{false: Read(files), true: ran(absent, absent, absent, absent, 0, 0, 0, 0)} {
		if got := run.Cleanup(); got != want {
			t.Errorf("got %v, want %v: %v", got, want, run)
		}
	}
}

// A cleanup whose disarm could not read the lock skips unquiesce, which then says 0.
func TestCleanupSaysThatUnquiesceMayHaveBeenSkipped(t *testing.T) {
	ended := func(code int) exitfile.Exit { return exitfile.Exit{Code: code, Ended: true} }
	for code, want := range map[int]bool{0: false, 5: true, 3: true} {
		err := Of(map[string]exitfile.Exit{disarm: ended(code), unquiesce: ended(0)}).Outcome()
		if said := err != nil && strings.HasPrefix(err.Error(), leftAlone); said != want {
			t.Errorf("disarm ended with %d: %v", code, err)
		}
	}
	err := Of(map[string]exitfile.Exit{disarm: ended(5), unquiesce: ended(1)}).Outcome()
	if strings.Contains(err.Error(), leftAlone) {
		t.Errorf("unquiesce was run, and failed: %v", err)
	}
}
