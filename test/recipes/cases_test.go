package recipes

import (
	"slices"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

var snapshots = schema.GroupVersionResource{
	Group:    "snapshot.storage.k8s.io",
	Version:  "v1",
	Resource: "volumesnapshots",
}

// awaitCut waits until the storage has made its copy.
func (b *bench) awaitCut() {
	b.Helper()
	b.Await(snapshots, copyName, "cut", func(o *unstructured.Unstructured) bool {
		at, _, _ := unstructured.NestedString(o.Object, "status", "creationTime")
		return at != ""
	})
}

// snapshot is a copy of VolSync's copy.
func (b *bench) snapshot() string {
	b.Helper()
	dir, err := b.Cluster().SnapshotDir(b.Ctx, b.Namespace, copyName)
	b.Must(err)
	return b.copyOf(dir)
}

// lose is a node that is lost: all that copytrigger has started stands still, its
// connections stay, and copytrigger is gone. What frees the application then is not ours,
// or is timeout, which a recipe for a file has for that.
func (b *bench) lose(run *harness.Process) since {
	b.Helper()
	var all []int
	for _, child := range children(run.Pid()) {
		all = append(all, tree(child)...)
	}
	for _, pid := range all {
		if nameOf(pid) != "timeout" {
			b.Must(syscall.Kill(pid, syscall.SIGSTOP))
		}
	}
	b.Cleanup(func() {
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	now := since{b, time.Now(), all}
	run.Kill()
	return now
}

// since is when something was lost.
type since struct {
	b    *bench
	at   time.Time
	left []int // processes that stand still
}

// goOn lets them go on, and waits until they have ended.
func (s since) goOn() {
	s.b.Helper()
	for _, pid := range s.left {
		s.b.Must(syscall.Kill(pid, syscall.SIGCONT))
	}
	s.b.Eventually("what stood still to end", func() bool {
		return !slices.ContainsFunc(s.left, func(pid int) bool { state := stateOf(pid); return state != "" && state != "Z" })
	})
}

// freezeLimit is one that is to be reached: enough for a busy machine to quiesce in.
const freezeLimit = 30 * time.Second

// margin is what a busy machine may take besides.
const margin = 2 * time.Minute

// within asserts that what was waited for took no longer than a limit that is not ours.
func (s since) within(limit time.Duration, what string) {
	s.b.Helper()
	took := time.Since(s.at)
	s.b.Logf("%s: %s %s after copytrigger was killed", s.b.Name(), what, took.Round(time.Millisecond))
	if took > limit+margin {
		s.b.Fatalf("%s after %s, want %s", what, took, limit)
	}
}
