package verdict

import (
	"fmt"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// How a step may have ended, beside an exit code.
const (
	absent = -1 // no file is given
	none   = -2 // the file is not there
)

// ran makes the reports of a run: await-waiting, quiesce, fire-trigger, await-completed,
// disarm, unquiesce, await-pods-ended, unlock, fire-and-await, start-sync, await-synced.
func ran(codes ...int) Run {
	exits := map[string]exitfile.Exit{}
	for i, name := range Steps() {
		switch {
		case i >= len(codes) || codes[i] == absent:
		case codes[i] == none:
			exits[name] = exitfile.Exit{Doubt: "there is no /tekton/steps/step-" + name + "/exitCode"}
		default:
			exits[name] = exitfile.Exit{Ended: true, Code: codes[i]}
		}
	}
	return Of(exits)
}

// The word of the two steps that know of the copy, each with each; 2 is a program that
// crashed.
func TestOfCopy(t *testing.T) {
	const grid = `
fire\await   0   1  64   3   4   5   6   7 124 143 137   2  -2
        0    0   5   5   5   4   5   6   5   5   5   5   5   5
       -1    0   5   5   5   4   5   6   5   5   5   5   5   5
        1    6   1   1   1   4   5   6   5   1   1   5   5   5
       64    6  64  64  64   4   5   6  64  64  64  64  64  64
        3    6   3   3   3   4   3   3   3   3   3   3   3   3
        4    6   4   4   4   4   5   6   4   4   4   4   4   4
        5    5   5   5   5   5   5   5   5   5   5   5   5   5
        6    6   6   6   6   6   5   6   6   6   6   6   6   6
        7    6   5   5   5   4   5   6   5   5   5   5   5   5
      124    6 124 124 124   4   5   6 124 124 124 124 124 124
      143    6   5   5 143   4   5   6   5   5   5   5   5   5
      137    6   5   5   5   4   5   6   5   5   5   5   5   5
        2    6   5   5   5   4   5   6   5   5   5   5   5   5
       -2    6   5   5   5   4   5   6   5   5   5   5   5   5
`
	lines := strings.Split(strings.TrimSpace(grid), "\n")
	awaits := strings.Fields(lines[0])[1:]
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		for i, want := range row[1:] {
			var f, a, w int
			if _, err := fmt.Sscan(row[0]+" "+awaits[i]+" "+want, &f, &a, &w); err != nil {
				t.Fatal(err)
			}
			if got := ran(0, 0, f, a, absent, 0).combine(); got.outcome != of(w) {
				t.Errorf("fire-trigger %d, await-completed %d: got %s, want %s", f, a, got.outcome, of(w))
			}
		}
	}
}

// What the other steps make of it.
func TestCombine(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int
		want  int
		by    string
		why   string
	}{
		"well":                   {codes: []int{0, 0, 0, 0, 0, 0}, want: 0},
		"well, without the rest": {codes: []int{absent, absent, absent, 0}, want: 0},
		"nobody awaits": {
			codes: []int{0, 0, 0, absent, 0, 0},
			want:  5, by: awaitCompleted, why: armed,
		},
		"nobody awaits, nothing fired": {
			codes: []int{0, 0, 3, absent, 0, 0},
			want:  3, by: fireTrigger, why: "nothing was fired",
		},
		"quiesce failed":                        {codes: []int{0, 1, 3, 3, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce failed with a code of ours":    {codes: []int{0, 5, 3, 3, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce failed, trigger mistaken":      {codes: []int{0, 1, 64, 64, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce killed":                        {codes: []int{0, 137, 3, 3, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce lost":                          {codes: []int{0, none, 3, 3, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce failed, others' copy":          {codes: []int{0, 1, 3, 6, 0, 0}, want: 3, by: quiesce, why: notFired},
		"quiesce failed, fired nevertheless":    {codes: []int{0, 1, 0, 0, 0, 0}, want: 6, by: quiesce, why: untied},
		"quiesce failed, recorded nevertheless": {codes: []int{0, 1, 3, 0, 0, 0}, want: 6, by: fireTrigger, why: untied},
		"quiesce failed, fired, taken back": {
			codes: []int{0, 1, 0, 4, 0, 0},
			want:  4, by: awaitCompleted, why: "no copy was made",
		},
		"quiesce failed, fired, too late": {
			codes: []int{0, 1, 0, 5, 0, 0},
			want:  5, by: awaitCompleted, why: "while the application runs",
		},
		"quiesce failed, fired, lost":      {codes: []int{0, 1, 0, none, 0, 0}, want: 5, by: awaitCompleted, why: armed},
		"quiesce failed, and nobody knows": {codes: []int{0, 1, none, none, 0, 0}, want: 5, by: fireTrigger, why: armed},
		"nothing waits": {
			codes: []int{3, none, none, none, none, 0},
			want:  3, by: awaitWaiting, why: "nothing was fired",
		},
		"nothing waits, in time": {
			codes: []int{124, 1, 3, 64, 0, 0},
			want:  124, by: awaitWaiting, why: "limit",
		},
		"nothing waits, no trigger": {
			codes: []int{143, 0, 64, 64, 0, 0},
			want:  143, by: awaitWaiting, why: "signal",
		},
		"another attempt was copying": {codes: []int{5, 1, 3, 64, 0, 0}, want: 5, by: awaitWaiting, why: "copying"},
		"waiting failed":              {codes: []int{1, 0, 1, 64, 0, 0}, want: 1, by: awaitWaiting, why: "error"},
		"waiting lost": {
			codes: []int{none, none, none, none, none, none},
			want:  5, by: awaitWaiting, why: armed,
		},
		"waiting killed": {
			codes: []int{137, none, none, none, 0, 0},
			want:  5, by: awaitWaiting, why: armed,
		},
		"nothing waits, fired nevertheless": {codes: []int{3, 0, 0, 0, 0, 0}, want: 6, by: awaitWaiting, why: untied},
		"nothing waits, fired and lost":     {codes: []int{3, 0, 0, none, 0, 0}, want: 5, by: awaitCompleted, why: armed},
		"nothing waits, fire killed":        {codes: []int{3, 0, 137, none, 0, 0}, want: 5, by: fireTrigger, why: armed},
		"unquiesce failed":                  {codes: []int{0, 0, 0, 0, 0, 1}, want: 6, by: unquiesce, why: mayBeFrozen},
		"unquiesce lost": {
			codes: []int{0, 0, 0, 0, 0, none},
			want:  6, by: unquiesce, why: mayBeFrozen,
		},
		"unquiesce and more failed": {
			codes: []int{0, 0, 0, 4, 0, 1},
			want:  4, by: awaitCompleted, why: "no copy was made",
		},
		"disarm failed":                  {codes: []int{0, 0, 0, 0, 3, 0}, want: 6, by: disarm, why: untied},
		"disarm not sure":                {codes: []int{0, 0, 0, 0, 5, 0}, want: 5, by: disarm, why: armed},
		"disarm not sure, nothing fired": {codes: []int{0, 0, 3, 3, 5, 0}, want: 5, by: disarm, why: armed},
		"disarm not sure, nor await": {
			codes: []int{0, 0, 0, 5, 5, 0},
			want:  5, by: awaitCompleted, why: "could not find out",
		},
		"disarm lost, nothing fired": {
			codes: []int{0, 0, 3, 3, none, 0},
			want:  3, by: fireTrigger, why: "nothing was fired",
		},
		"disarm makes nothing better": {codes: []int{0, 0, 0, none, 0, 0}, want: 5, by: awaitCompleted, why: armed},
		"cleaned up":                  {codes: []int{absent, absent, absent, absent, 0, 0}, want: 0},
		"cleaned up, disarmed":        {codes: []int{absent, absent, absent, absent, 0, absent}, want: 0},
		"cleanup, unquiesce failed": {
			codes: []int{absent, absent, absent, absent, 0, 3},
			want:  1, by: unquiesce, why: mayBeFrozen,
		},
		"cleanup, unquiesce lost": {
			codes: []int{absent, absent, absent, absent, absent, none},
			want:  1, by: unquiesce, why: mayBeFrozen,
		},
		"cleanup, disarm not sure": {
			codes: []int{absent, absent, absent, absent, 5, 0},
			want:  5, by: disarm, why: armed,
		},
		"cleanup, disarm refused": {
			codes: []int{absent, absent, absent, absent, 3, 0},
			want:  3, by: disarm, why: unasked,
		},
		"cleanup, disarm mistaken": {
			codes: []int{absent, absent, absent, absent, 64, 0},
			want:  64, by: disarm, why: unasked,
		},
		"cleanup, disarm failed": {
			codes: []int{absent, absent, absent, absent, 1, 1},
			want:  1, by: disarm, why: unasked,
		},
		"cleanup, disarm stopped": {
			codes: []int{absent, absent, absent, absent, 143, 0},
			want:  5, by: disarm, why: armed,
		},
		"cleanup, disarm late": {
			codes: []int{absent, absent, absent, absent, 124, 0},
			want:  5, by: disarm, why: armed,
		},
		"cleanup, disarm lost": {
			codes: []int{absent, absent, absent, absent, none, 0},
			want:  5, by: disarm, why: armed,
		},
		"cleanup, pods left": {
			codes: []int{absent, absent, absent, absent, 0, 0, 124},
			want:  1, by: podsEnded, why: couldFreeze,
		},
		"cleanup, pods lost": {
			codes: []int{absent, absent, absent, absent, 0, 0, none},
			want:  1, by: podsEnded, why: couldFreeze,
		},
		"cleanup, pods ended": {codes: []int{absent, absent, absent, absent, 0, 0, 0}, want: 0},
		"cleanup, pods left, unquiesce failed": {
			codes: []int{absent, absent, absent, absent, 0, 1, 124},
			want:  1, by: unquiesce, why: mayBeFrozen,
		},
		"well, but pods left": {
			codes: []int{0, 0, 0, 0, 0, 0, 124},
			want:  6, by: podsEnded, why: couldFreeze,
		},
		"well, but locked": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 3},
			want:  1, by: unlock, why: locked,
		},
		"withdrawn, and locked": {
			codes: []int{0, 0, 0, 4, 0, 0, absent, 3},
			want:  4, by: awaitCompleted, why: "no copy was made",
		},
		"cleanup, locked": {
			codes: []int{absent, absent, absent, absent, 0, 0, 0, 1},
			want:  1, by: unlock, why: locked,
		},
		"synced": {codes: []int{0, 0, 0, 0, 0, 0, absent, 0, absent, 0, 0}, want: 0},
		"not synced": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 0, absent, 0, 7},
			want:  7, by: awaitSynced, why: notSynced,
		},
		"await-synced was killed": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 0, absent, 0, 137},
			want:  7, by: awaitSynced, why: notSynced,
		},
		"await-synced saw no record": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 0, absent, 0, 6},
			want:  6, by: awaitSynced, why: "tied",
		},
		"withdrawn, and not synced": {
			codes: []int{0, 0, 0, 4, 0, 0, absent, 0, absent, 0, 7},
			want:  4, by: awaitCompleted, why: "no copy was made",
		},
		"no other step says 7": {codes: []int{7, 0, 0, 0, 0, 0}, want: 6, by: awaitWaiting, why: untied},
		"no sync": {
			codes: []int{none, none, none, none, none, none, absent, none, absent, 3},
			want:  3, by: startSync, why: "nothing was fired",
		},
		"no sync, and all the same": {
			codes: []int{0, 0, 0, 0, 0, 0, absent, 0, absent, 1},
			want:  1, by: startSync, why: manualStays,
		},
		"no sync, fired and lost": {
			codes: []int{0, 0, 0, none, 0, 0, absent, 0, absent, 3},
			want:  5, by: awaitCompleted, why: armed,
		},
		"no sync, killed": {
			codes: []int{none, none, none, none, none, none, absent, none, absent, 137},
			want:  5, by: awaitWaiting, why: armed,
		},
		"no sync, and nothing waits": {
			codes: []int{3, none, none, none, 0, 0, absent, 0, absent, 3},
			want:  3, by: awaitWaiting, why: "nothing was fired",
		},
		"no sync, and fire ran all the same": {
			codes: []int{none, none, 3, 3, 0, 0, absent, 0, absent, 3},
			want:  5, by: awaitWaiting, why: armed,
		},
		"nothing is given": {codes: nil, want: 0}, // the command line has no such thing
	} {
		t.Run(name, func(t *testing.T) {
			got := ran(c.codes...).combine()
			if got.outcome != of(c.want) || got.by.step != c.by || !strings.Contains(got.why, c.why) {
				t.Errorf("got %s by %q: %q, want %s by %q: %q", got.outcome, got.by.step, got.why, of(c.want), c.by, c.why)
			}
		})
	}
}

// What must hold of every run.
func TestCombineEveryRun(t *testing.T) {
	ours := []int{absent, 0, 1, 64, 3, 4, 5, 6, 7, 124, 143, 137, none}
	users := []int{absent, 0, 1, none}
	seen := map[outcome.Outcome]int{}
	check := func(codes ...int) {
		run := ran(codes...)
		v := run.combine()
		seen[v.outcome]++
		fire, await := run.reports[fireTrigger], run.reports[awaitCompleted]
		well := true
		for _, r := range run.reports {
			well = well && r.exit.OK()
		}
		cleanup := run.Cleanup()
		if ok := v.outcome == outcome.OK; ok != (well && (cleanup || run.given(awaitCompleted))) {
			t.Errorf("%v: got %s, all with 0: %v", codes, v.outcome, well)
		}
		// Who says that nothing was fired has it by a step that says so, and nobody against it.
		if v.nothingFired() && !cleanup {
			never := run.reports[awaitWaiting].failed() && run.noneEnded() // there was no trigger to fire
			said := fire.outcome == outcome.Refused || fire.outcome == outcome.TimedOut || fire.outcome == outcome.Usage ||
				fire.outcome == outcome.Signalled && await.outcome == outcome.Refused ||
				run.reports[awaitWaiting].failed() && fire.outcome == outcome.Failed && await.outcome != ""
			if !never && !said {
				t.Errorf("%v: got %s, but fire-trigger may have fired", codes, v.outcome)
			}
			if await.outcome == outcome.OK || await.outcome == outcome.Withdrawn ||
				fire.outcome != outcome.Refused && (await.outcome == outcome.Tainted || await.outcome == outcome.Unverified) {
				t.Errorf("%v: got %s, but await-completed says %s", codes, v.outcome, await.outcome)
			}
		}
		if run.reports[disarm].outcome == outcome.Tainted && v.outcome != outcome.Tainted {
			t.Errorf("%v: got %s after a disarm that is not sure", codes, v.outcome)
		}
		if v.outcome == outcome.OK {
			return
		}
		if !run.reports[v.by.step].failed() && !(Incomplete(run.reports) && v.by.step == awaitCompleted) {
			t.Errorf("%v: %s by %s, which ended well", codes, v.outcome, v.by.step)
		}
		why, frozen := strings.CutPrefix(run.Outcome().Error(), outcome.LeftFrozen.String()+": ")
		if run.reports[unquiesce].failed() != frozen && !run.neverQuiesced() {
			t.Errorf("%v: got the reason %q", codes, run.Outcome().Error())
		}
		why = strings.TrimPrefix(why, leftAlone+"; ")
		if !strings.HasPrefix(why, v.by.step+" ") || !strings.Contains(why, v.by.exit.String()) || len(why) > 500 {
			t.Errorf("%v: got the reason %q", codes, why)
		}
		if run.reports[unquiesce].failed() != strings.Contains(why, mayBeFrozen) {
			t.Errorf("%v: got the reason %q", codes, why)
		}
	}
	for _, waiting := range ours {
		for _, quiesced := range users {
			for _, fire := range ours {
				for _, await := range ours {
					for _, disarmed := range []int{absent, 0, 1, 3, 5, none} {
						for _, unquiesced := range users {
							check(waiting, quiesced, fire, await, disarmed, unquiesced)
						}
					}
				}
			}
		}
	}
	delete(seen, outcome.Unsynced) // of await-synced alone
	if len(seen) != len(outcome.Table())-1 {
		t.Errorf("got %v, want every outcome of the table: add its code to ours, and its rule to combine.go", seen)
	}
}

// of is the outcome that an exit code names.
func of(code int) outcome.Outcome {
	o, _ := outcome.OfCode(code)
	return o
}
