package recipes

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// readmesCommand is one that the README's examples have, for a Redis that has no name.
func readmesCommand(t *testing.T, name string, r *redis) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`\{name: ` + name + `-command, value: (.*?)\}`).FindSubmatch(text)
	if m == nil || bytes.Count(text, m[1]) != 3 {
		t.Fatalf("the README has not one %s command for Tekton, Argo and the CronJob: %q", name, m)
	}
	return strings.ReplaceAll(string(m[1]), "-h redis", "-s "+r.socket)
}

// What the README shows freezes, and the copy has all that was acknowledged before.
func TestReadmesExample(t *testing.T) {
	t.Parallel()
	b := newBench(t, "redis-server", "redis-cli")
	r, _ := startRedis(false)(b).(*redis)
	load := b.ledger(r)
	quiesce, unquiesce := readmesCommand(t, "quiesce", r), readmesCommand(t, "unquiesce", r)
	// It does no harm where nothing is quiesced.
	b.run("sh", "-c", unquiesce)

	held := b.Hold()
	b.ReplicateAndWait(held.Source("Snapshot"))
	run := b.StartIn([]string{"PATH=" + searchPath()}, "run", "--pvc=data", "--quiesce="+quiesce, "--unquiesce="+unquiesce)
	b.AwaitStatus(harness.InProgress)
	b.Eventually("a write that waits", func() bool { return r.blocked(b) })
	last := load.last()
	held.Release()
	run.End().Ends(harness.OK)
	load.awaitWrites(20)
	dir, err := b.Cluster().SnapshotDir(b.Ctx, b.Namespace, harness.CopyName)
	b.Must(err)
	count, highest := r.restored(b, b.copyOf(dir)).numbers(b)
	b.Must(check(count, highest, last, last))
}
