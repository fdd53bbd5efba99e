// Package bench measures what a user waits and pays for, on the real API server and VolSync, and
// writes docs/performance.md:
//
//	make bench
package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const (
	wanted = "COPYTRIGGER_BENCH"
	before = "COPYTRIGGER_BENCH_BEFORE"
)

func TestMain(m *testing.M) {
	flags := []string{"-ldflags=-s -w"} // as it is released
	os.Exit(harness.Main(m, harness.Config{Wanted: wanted, Parallel: 1, Flags: flags}))
}

// TestBench measures, and writes the page. COPYTRIGGER_BENCH is "page" then; any other value
// measures, and only says what it would write. COPYTRIGGER_BENCH_BEFORE is another build of the
// program: then its freezes and those of this one are measured in turns, and nothing else is.
func TestBench(t *testing.T) {
	if os.Getenv(wanted) == "" {
		t.Skip("takes minutes: make bench")
	}
	root, err := cluster.FindSource()
	must(t, err)
	r := &Report{Date: time.Now().UTC().Format("2006-01-02"), Machine: machine(t)}
	r.Load[0] = load(t)
	t.Run("freeze", func(t *testing.T) { freezes(t, r, forms(t)) })
	if os.Getenv(before) == "" {
		t.Run("fifty", func(t *testing.T) { freezes(t, r, fifty(t)) })
		t.Run("kubectl", func(t *testing.T) { compare(t, r) })
		t.Run("scale", func(t *testing.T) { scale(t, r) })
	}
	r.Load[1] = load(t)
	text, err := json.MarshalIndent(r, "", "\t")
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "bin", "bench.json"), text, 0o644))
	for _, table := range r.tables() {
		t.Logf("\n%s", table)
	}
	if t.Failed() || os.Getenv(wanted) != "page" {
		return
	}
	must(t, r.writePage(filepath.Join(root, "docs")))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
