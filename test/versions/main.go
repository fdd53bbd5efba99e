// Command versions makes docs/versions.md: which tests passed on which versions. The versions
// come from test/devcluster/upstream/versions, and what ran from the files that go test -json has
// left in a folder for each set: bin/ran/SET/SUITE.json, from the Makefile's targets.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// suites are the rows of the table: the name of the file, and what it is of.
func suites() [][2]string {
	return [][2]string{
		{"unit", "unit tests, program and shipped YAML"},
		{"workflows", "unit tests, Argo's YAML"},
		{"integration", "integration: VolSync without pods"},
		{"recipes", "recipes on the real databases"},
		{"e2e", "end to end on Tekton, Argo Workflows and as a CronJob"},
		{"freeze", "the same, how long an application is frozen"},
		{"events", "end to end with Argo Events"},
	}
}

// projects are the rows of the versions: the name in the table, and upstream's own.
func projects() [][2]string {
	return [][2]string{
		{"kubernetes", "Kubernetes"},
		{"volsync", "VolSync"},
		{"snapshotter", "external-snapshotter"},
		{"tekton", "Tekton Pipelines"},
		{"argo-workflows", "Argo Workflows"},
	}
}

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "versions:", err)
		os.Exit(1)
	}
}

func write() error {
	source, err := cluster.FindSource()
	if err != nil {
		return err
	}
	var sets []set
	for _, name := range []string{"current", "oldest"} {
		v, err := cluster.ReadVersions(source, name)
		if err != nil {
			return err
		}
		s := set{versions: v, ran: map[string]result{}}
		for _, suite := range suites() {
			file := filepath.Join(source, "bin", "ran", name, suite[0]+".json")
			if s.ran[suite[0]], err = readResult(file); err != nil {
				return err
			}
		}
		sets = append(sets, s)
	}
	return os.WriteFile(filepath.Join(source, "docs", "versions.md"), []byte(page(sets)), 0o644)
}

// set is one of the sets, and what ran on it.
type set struct {
	versions cluster.Versions
	ran      map[string]result
}

// result is what became of a suite.
type result struct {
	passed, failed, skipped int
	last                    time.Time
}

func (r result) String() string {
	switch {
	case r.passed+r.failed == 0:
		return "not run"
	case r.failed > 0:
		return fmt.Sprintf("**%d failed**, %d passed", r.failed, r.passed)
	case r.skipped > 0:
		return fmt.Sprintf("%d passed, %d skipped, %s", r.passed, r.skipped, r.last.Format(time.DateOnly))
	}
	return fmt.Sprintf("%d passed, %s", r.passed, r.last.Format(time.DateOnly))
}

// readResult reads what go test -json has written; a file that is not there is a suite that
// has not run.
func readResult(file string) (result, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return result{}, nil
	}
	if err != nil {
		return result{}, err
	}
	defer f.Close()
	r, err := count(f)
	if err != nil {
		return result{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return r, nil
}

// count counts tests and their subtests. A package that fails without a failing test, in its
// TestMain for one, counts as one that has failed.
func count(events io.Reader) (result, error) {
	var r result
	failed := map[string]bool{} // packages with a failing test
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct {
			Time                  time.Time
			Action, Package, Test string
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return result{}, err
		}
		switch {
		case e.Action == "fail" && (e.Test != "" || !failed[e.Package]):
			failed[e.Package] = true
			r.failed++
		case e.Test == "":
		case e.Action == "pass":
			r.passed++
		case e.Action == "skip":
			r.skipped++
		}
		if e.Time.After(r.last) {
			r.last = e.Time
		}
	}
	return r, lines.Err()
}

// page is docs/versions.md.
func page(sets []set) string {
	var b strings.Builder
	fmt.Fprint(&b, `# Versions

<!-- Made by `+"`make versions`"+` from test/devcluster/upstream/versions and what the tests have left in bin/ran. -->

copytrigger is tested against two sets of versions. Every change is tested on `+"`current`"+`; `+
		"`oldest`"+` runs before a release. `+"`make VERSIONS=oldest TARGET`"+` runs a target on it.

`)
	row := func(name string, cell func(set) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, s := range sets {
			fmt.Fprintf(&b, " %s |", cell(s))
		}
		fmt.Fprintln(&b)
	}
	row("", func(s set) string { return s.versions.Set })
	row("---", func(set) string { return "---" })
	for _, p := range projects() {
		row(p[1], func(s set) string { return s.versions.Of(p[0]) })
	}
	fmt.Fprint(&b, "\nWhat ran, subtests counted:\n\n")
	row("", func(s set) string { return s.versions.Set })
	row("---", func(set) string { return "---" })
	for _, suite := range suites() {
		row(suite[1], func(s set) string { return s.ran[suite[0]].String() })
	}
	return b.String()
}
