package handshake

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write testdata/decisions.txt anew")
	os.Exit(m.Run())
}

// TestDecisions shows every decision as a table for people to read: a change of the
// protocol is a change of this file. That the file is right, TestInvariants checks.
func TestDecisions(t *testing.T) {
	file := filepath.Join("testdata", "decisions.txt")
	got := table()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := append(gotLines, make([]string, len(wantLines))...)[i], append(wantLines, make([]string, len(gotLines))...)[i]
		if g != w {
			t.Fatalf("%s:%d differs; if that is meant, run the test with -update\n got: %s\nwant: %s", file, i+1, g, w)
		}
	}
}

func table() string {
	var b strings.Builder
	b.WriteString(`# Every decision about a claim, made by "go test ./internal/handshake -update".
#
# trigger, latest: "ours" is the trigger that the run made for this very wait, "earlier"
# one that it made for another. "*" is any value; a|b is one of two.
# await, fire, completed, disarm: look again; end with an outcome; or "set V: outcome".
# completed': await-completed once it has seen the trigger in its place.

# 1. A sync runs, and there is no copy.

`)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "use\ttrigger\tlatest\tstatus\tsince\tawait\tfire\tcompleted\tcompleted'\tdisarm")
	for _, l := range lines() {
		fmt.Fprintln(w, strings.Join(l, "\t"))
	}
	w.Flush()
	b.WriteString("\n# 2. A claim that waits (true, old, old, Waiting, yes), in other surroundings.\n\n")
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "surroundings\tawait\tfire")
	for _, s := range worlds() {
		r := row{"true", "old", "old", "Waiting", "yes"}
		at := s.of(r.claim())
		fire := Fire(at, r.ours())
		if at.ClaimOnly {
			fire = Fire(at, NewTrigger(runID, Await(at, runID).Wait))
			fire.Value = strings.Replace(fire.Value, NewTrigger(runID, Await(at, runID).Wait).String(), r.ours().String(), 1)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.name, r.cell(Await(at, runID)), r.cell(fire))
	}
	w.Flush()
	var trimmed []string
	for l := range strings.Lines(b.String()) {
		trimmed = append(trimmed, strings.TrimRight(l, " \n"))
	}
	return strings.Join(trimmed, "\n") + "\n"
}

// lines are the rows and their decisions, put together where they decide alike.
func lines() [][]string {
	const facts = 5
	var ls [][]string
	for _, r := range rows([]string{absent, "true"}) {
		c := r.claim()
		at := worlds()[0].of(c)
		ls = append(ls, []string{r.use, r.trigger, r.latest, r.status, r.since,
			r.cell(Await(at, runID)), r.cell(Fire(at, r.ours())),
			r.cell(
				Completed(c, r.ours(), Seen{}),
			), r.cell(Completed(c, r.ours(), Seen{Fired: true, Since: theWait})), r.cell(Disarm(c, runID))})
	}
	all := [facts]int{2, len(triggers()), len(triggers()), len(statuses()), len(sinces())}
	for _, column := range []int{4, 3, 2, 0, 1} {
		at := map[string]int{} // the line with these other columns
		var merged [][]string
		for _, l := range ls {
			key := strings.Join(slices.Delete(slices.Clone(l), column, column+1), "\t")
			if i, ok := at[key]; ok {
				merged[i][column] += "|" + l[column]
				continue
			}
			at[key] = len(merged)
			merged = append(merged, l)
		}
		for _, l := range merged {
			if strings.Count(l[column], "|") == all[column]-1 {
				l[column] = "*"
			}
		}
		ls = merged
	}
	return ls
}

// cell is a decision in a word or two.
func (r row) cell(d Decision) string {
	switch d.Do {
	case Look:
		return "look"
	case Write:
		return "set " + r.word(d.Value) + ": " + string(d.Outcome)
	}
	return string(d.Outcome)
}
