package step

import (
	"fmt"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// codes are the exit codes of a step of ours.
var codes = map[int]handshake.Outcome{0: handshake.OK, 1: Failed, 2: Usage, 3: handshake.Refused, 4: handshake.Withdrawn,
	5: handshake.Tainted, 6: handshake.Unverified, 124: TimedOut, 143: Signalled}

func meaning(code int) (handshake.Outcome, Stop) {
	if codes[code] == Signalled {
		return Signalled, Stop{Name: "SIGTERM", Number: code - 128}
	}
	return codes[code], Stop{}
}

// How a step may have ended, beside an exit code.
const (
	absent = -1 // no file is given
	none   = -2 // the file is not there
)

// ran makes the reports of a run: await-waiting, quiesce, fire-trigger, await-completed,
// disarm, unquiesce, await-pods-ended, unlock.
func ran(codes ...int) Reports {
	exits := map[string]quiesce.Exit{}
	for i, name := range RunSteps() {
		switch {
		case i >= len(codes) || codes[i] == absent:
		case codes[i] == none:
			exits[name] = quiesce.Exit{Doubt: "there is no /tekton/steps/step-" + name + "/exitCode"}
		default:
			exits[name] = quiesce.Exit{Ended: true, Code: codes[i]}
		}
	}
	return NewReports(exits, meaning)
}

// The word of the two steps that know of the copy, each with each; 143 as an outcome is
// written 128.
func TestCopied(t *testing.T) {
	const grid = `
fire\await   0   1   2   3   4   5   6 124 143 137 127  -2
        0    0   5   5   5   4   5   6   5   5   5   5   5
       -1    0   5   5   5   4   5   6   5   5   5   5   5
        1    6   1   1   1   4   5   6   1   1   5   5   5
        2    6   2   2   2   4   5   6   2   2   2   2   2
        3    6   3   3   3   4   3   3   3   3   3   3   3
        4    6   4   4   4   4   5   6   4   4   4   4   4
        5    5   5   5   5   5   5   5   5   5   5   5   5
        6    6   6   6   6   6   5   6   6   6   6   6   6
      124    6 124 124 124   4   5   6 124 124 124 124 124
      143    6   5   5 143   4   5   6   5   5   5   5   5
      137    6   5   5   5   4   5   6   5   5   5   5   5
      127    6   5   5   5   4   5   6   5   5   5   5   5
       -2    6   5   5   5   4   5   6   5   5   5   5   5
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
			if got := ran(0, 0, f, a, absent, 0).judge(); got.outcome != codes[w] {
				t.Errorf("fire-trigger %d, await-completed %d: got %s, want %s", f, a, got.outcome, codes[w])
			}
		}
	}
}

// What the other steps make of it.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		run  []int
		want int
		by   string
		why  string
	}{
		"well":                                  {[]int{0, 0, 0, 0, 0, 0}, 0, "", ""},
		"well, without the rest":                {[]int{absent, absent, absent, 0}, 0, "", ""},
		"nobody awaits":                         {[]int{0, 0, 0, absent, 0, 0}, 5, nameAwaitCompleted, armed},
		"nobody awaits, nothing fired":          {[]int{0, 0, 3, absent, 0, 0}, 3, nameFireTrigger, "nothing was fired"},
		"quiesce failed":                        {[]int{0, 1, 3, 3, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce failed with a code of ours":    {[]int{0, 5, 3, 3, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce failed, trigger mistaken":      {[]int{0, 1, 2, 2, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce killed":                        {[]int{0, 137, 3, 3, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce lost":                          {[]int{0, none, 3, 3, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce failed, others' copy":          {[]int{0, 1, 3, 6, 0, 0}, 3, nameQuiesce, notFired},
		"quiesce failed, fired nevertheless":    {[]int{0, 1, 0, 0, 0, 0}, 6, nameQuiesce, untied},
		"quiesce failed, recorded nevertheless": {[]int{0, 1, 3, 0, 0, 0}, 6, nameFireTrigger, untied},
		"quiesce failed, fired, taken back":     {[]int{0, 1, 0, 4, 0, 0}, 4, nameAwaitCompleted, "no copy was made"},
		"quiesce failed, fired, too late":       {[]int{0, 1, 0, 5, 0, 0}, 5, nameAwaitCompleted, "after the application ran again"},
		"quiesce failed, fired, lost":           {[]int{0, 1, 0, none, 0, 0}, 5, nameAwaitCompleted, armed},
		"quiesce failed, and nobody knows":      {[]int{0, 1, none, none, 0, 0}, 5, nameFireTrigger, armed},
		"nothing waits":                         {[]int{3, none, none, none, none, 0}, 3, nameAwaitWaiting, "nothing was fired"},
		"nothing waits, in time":                {[]int{124, 1, 3, 2, 0, 0}, 124, nameAwaitWaiting, "limit"},
		"nothing waits, no trigger":             {[]int{143, 0, 2, 2, 0, 0}, 143, nameAwaitWaiting, "signal"},
		"another attempt was copying":           {[]int{5, 1, 3, 2, 0, 0}, 5, nameAwaitWaiting, "copying"},
		"waiting failed":                        {[]int{1, 0, 1, 2, 0, 0}, 1, nameAwaitWaiting, "error"},
		"waiting lost":                          {[]int{none, none, none, none, none, none}, 5, nameAwaitWaiting, armed},
		"waiting killed":                        {[]int{137, none, none, none, 0, 0}, 5, nameAwaitWaiting, armed},
		"nothing waits, fired nevertheless":     {[]int{3, 0, 0, 0, 0, 0}, 6, nameAwaitWaiting, untied},
		"nothing waits, fired and lost":         {[]int{3, 0, 0, none, 0, 0}, 5, nameAwaitCompleted, armed},
		"nothing waits, fire killed":            {[]int{3, 0, 137, none, 0, 0}, 5, nameFireTrigger, armed},
		"unquiesce failed":                      {[]int{0, 0, 0, 0, 0, 1}, 6, nameUnquiesce, frozen},
		"unquiesce lost":                        {[]int{0, 0, 0, 0, 0, none}, 6, nameUnquiesce, frozen},
		"unquiesce and more failed":             {[]int{0, 0, 0, 4, 0, 1}, 4, nameAwaitCompleted, "no copy was made"},
		"disarm failed":                         {[]int{0, 0, 0, 0, 3, 0}, 6, nameDisarm, untied},
		"disarm not sure":                       {[]int{0, 0, 0, 0, 5, 0}, 5, nameDisarm, armed},
		"disarm not sure, nothing fired":        {[]int{0, 0, 3, 3, 5, 0}, 5, nameDisarm, armed},
		"disarm not sure, nor await":            {[]int{0, 0, 0, 5, 5, 0}, 5, nameAwaitCompleted, "could not find out"},
		"disarm lost, nothing fired":            {[]int{0, 0, 3, 3, none, 0}, 3, nameFireTrigger, "nothing was fired"},
		"disarm makes nothing better":           {[]int{0, 0, 0, none, 0, 0}, 5, nameAwaitCompleted, armed},
		"cleaned up":                            {[]int{absent, absent, absent, absent, 0, 0}, 0, "", ""},
		"cleaned up, disarmed":                  {[]int{absent, absent, absent, absent, 0, absent}, 0, "", ""},
		"clean-up, unquiesce failed":            {[]int{absent, absent, absent, absent, 0, 3}, 1, nameUnquiesce, frozen},
		"clean-up, unquiesce lost":              {[]int{absent, absent, absent, absent, absent, none}, 1, nameUnquiesce, frozen},
		"clean-up, disarm not sure":             {[]int{absent, absent, absent, absent, 5, 0}, 5, nameDisarm, armed},
		"clean-up, disarm refused":              {[]int{absent, absent, absent, absent, 3, 0}, 3, nameDisarm, unasked},
		"clean-up, disarm mistaken":             {[]int{absent, absent, absent, absent, 2, 0}, 2, nameDisarm, unasked},
		"clean-up, disarm failed":               {[]int{absent, absent, absent, absent, 1, 1}, 1, nameDisarm, unasked},
		"clean-up, disarm stopped":              {[]int{absent, absent, absent, absent, 143, 0}, 5, nameDisarm, armed},
		"clean-up, disarm late":                 {[]int{absent, absent, absent, absent, 124, 0}, 5, nameDisarm, armed},
		"clean-up, disarm lost":                 {[]int{absent, absent, absent, absent, none, 0}, 5, nameDisarm, armed},
		"clean-up, pods left":                   {[]int{absent, absent, absent, absent, 0, 0, 124}, 1, namePodsEnded, refrozen},
		"clean-up, pods lost":                   {[]int{absent, absent, absent, absent, 0, 0, none}, 1, namePodsEnded, refrozen},
		"clean-up, pods ended":                  {[]int{absent, absent, absent, absent, 0, 0, 0}, 0, "", ""},
		"clean-up, pods left, unquiesce failed": {[]int{absent, absent, absent, absent, 0, 1, 124}, 1, nameUnquiesce, frozen},
		"well, but pods left":                   {[]int{0, 0, 0, 0, 0, 0, 124}, 6, namePodsEnded, refrozen},
		"well, but locked":                      {[]int{0, 0, 0, 0, 0, 0, absent, 3}, 1, nameUnlock, locked},
		"withdrawn, and locked":                 {[]int{0, 0, 0, 4, 0, 0, absent, 3}, 4, nameAwaitCompleted, "no copy was made"},
		"clean-up, locked":                      {[]int{absent, absent, absent, absent, 0, 0, 0, 1}, 1, nameUnlock, locked},
		"nothing is given":                      {nil, 0, "", ""}, // the command line has no such thing
	} {
		t.Run(name, func(t *testing.T) {
			got := ran(c.run...).judge()
			if got.outcome != codes[c.want] || got.by.Step != c.by || !strings.Contains(got.why, c.why) {
				t.Errorf("got %s by %q: %q, want %s by %q: %q", got.outcome, got.by.Step, got.why, codes[c.want], c.by, c.why)
			}
		})
	}
}

// What must hold of every run.
func TestJudgeEveryRun(t *testing.T) {
	ours := []int{absent, 0, 1, 2, 3, 4, 5, 6, 124, 143, 137, none}
	users := []int{absent, 0, 1, none}
	seen := map[handshake.Outcome]int{}
	check := func(codes ...int) {
		rs := ran(codes...)
		f := rs.judge()
		seen[f.outcome]++
		fire, await := rs[nameFireTrigger], rs[nameAwaitCompleted]
		well := true
		for _, r := range rs {
			well = well && r.Exit.OK()
		}
		cleanUp := !rs.given(nameAwaitWaiting) && !rs.given(nameQuiesce) && !rs.given(nameFireTrigger) && !rs.given(nameAwaitCompleted)
		if ok := f.outcome == handshake.OK; ok != (well && (cleanUp || rs.given(nameAwaitCompleted))) {
			t.Errorf("%v: got %s, all with 0: %v", codes, f.outcome, well)
		}
		// Who says that nothing was fired has it by a step that says so, and nobody against it.
		if f.nothingFired() && !cleanUp {
			never := rs[nameAwaitWaiting].failed() && rs.silent() // there was no trigger to fire
			said := fire.Outcome == handshake.Refused || fire.Outcome == TimedOut || fire.Outcome == Usage ||
				fire.Outcome == Signalled && await.Outcome == handshake.Refused ||
				rs[nameAwaitWaiting].failed() && fire.Outcome == Failed && await.Outcome != ""
			if !never && !said {
				t.Errorf("%v: got %s, but fire-trigger may have fired", codes, f.outcome)
			}
			if await.Outcome == handshake.OK || await.Outcome == handshake.Withdrawn ||
				fire.Outcome != handshake.Refused && (await.Outcome == handshake.Tainted || await.Outcome == handshake.Unverified) {
				t.Errorf("%v: got %s, but await-completed says %s", codes, f.outcome, await.Outcome)
			}
		}
		if rs[nameDisarm].Outcome == handshake.Tainted && f.outcome != handshake.Tainted {
			t.Errorf("%v: got %s after a disarm that is not sure", codes, f.outcome)
		}
		if f.outcome == handshake.OK {
			return
		}
		if !rs[f.by.Step].failed() && !(Incomplete(rs) && f.by.Step == nameAwaitCompleted) {
			t.Errorf("%v: %s by %s, which ended well", codes, f.outcome, f.by.Step)
		}
		why := rs.ending(f).Error()
		if !strings.HasPrefix(why, f.by.Step+" ") || !strings.Contains(why, f.by.Exit.String()) || len(why) > 500 {
			t.Errorf("%v: got the reason %q", codes, why)
		}
		if rs[nameUnquiesce].failed() != strings.Contains(why, frozen) {
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
	if len(seen) != len(codes) {
		t.Errorf("got %v, want every outcome", seen)
	}
}
