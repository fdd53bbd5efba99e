package cluster

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// testBackup is one whole cycle of VolSync by copy trigger.
func testBackup(t *testing.T, c *Cluster) {
	s := newSite(t, c, "backup")
	s.write(map[string]string{"base/1": "one", "base/2": "two", "log": "three"})
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	fired := time.Now()
	s.fire("run-1")
	s.copyStatus("Completed")
	t.Logf("trigger to Completed: %s", round(time.Since(fired)))

	volume, err := c.VolumeDir(s.ctx, s.namespace, "data")
	s.must(err)
	name := s.snapshot("cut", func(*unstructured.Unstructured) bool { return true }).GetName()
	snapshot, err := c.SnapshotDir(s.ctx, s.namespace, name)
	s.must(err)
	if got, want := tree(t, snapshot), tree(t, volume); got != want || want == "" {
		t.Errorf("snapshot differs from volume: got\n%swant\n%s", got, want)
	}
	began, ended, err := c.SnapshotCut(s.ctx, s.namespace, name)
	s.must(err)
	if began.Before(fired) || ended.Before(began) {
		t.Errorf("fired %s, cut from %s to %s", fired, began, ended)
	}

	s.must(c.CompleteJob(s.ctx, s.namespace, "volsync-src-nightly"))
	s.until(sources(), "nightly", "synced", func(o *unstructured.Unstructured) bool {
		return text(o, "status", "lastManualSync") == "first"
	})
	t.Logf("trigger to lastManualSync: %s", round(time.Since(fired)))
}

func testHeldCut(t *testing.T, c *Cluster) {
	s := newSite(t, c, "held-cut")
	s.write(map[string]string{"file": "before"})
	s.hold(pace.Pace{CutDelay: time.Hour})
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.fire("run-1")
	s.copyStatus("InProgress")
	// A cut that has not begun takes what is written meanwhile.
	s.write(map[string]string{"file": "during"})
	s.must(c.SetPace(pace.Pace{}))
	s.copyStatus("Completed")
	name := s.snapshot("cut", func(*unstructured.Unstructured) bool { return true }).GetName()
	dir, err := c.SnapshotDir(s.ctx, s.namespace, name)
	s.must(err)
	if got := tree(t, dir); !strings.Contains(got, `"during"`) {
		t.Errorf("got %s", got)
	}
}

func testHeldClone(t *testing.T, c *Cluster) {
	s := newSite(t, c, "held-clone")
	s.hold(pace.Pace{CutDelay: time.Hour})
	s.replicate("Clone")
	s.copyStatus("WaitingForTrigger")
	s.fire("run-1")
	s.copyStatus("InProgress")
	s.must(c.SetPace(pace.Pace{}))
	s.copyStatus("Completed")
}

func testLateReadiness(t *testing.T, c *Cluster) {
	s := newSite(t, c, "late")
	s.hold(pace.Pace{ReadyDelay: time.Hour})
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.fire("run-1")
	o := s.snapshot("cut", func(o *unstructured.Unstructured) bool { return text(o, "status", "creationTime") != "" })
	if ready, _, _ := unstructured.NestedBool(o.Object, "status", "readyToUse"); ready {
		t.Error("ready too early")
	}
	s.must(c.SetPace(pace.Pace{}))
	s.copyStatus("Completed")
}

func testKilledVolsync(t *testing.T, c *Cluster) {
	s := newSite(t, c, "killed")
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.must(c.Component("volsync").Kill(s.ctx))
	s.fire("run-1")
	s.must(c.Component("volsync").Start(s.ctx))
	s.copyStatus("Completed")
}

func testPausedVolsync(t *testing.T, c *Cluster) {
	s := newSite(t, c, "paused")
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.must(c.Component("volsync").Pause(s.ctx))
	s.fire("run-1")
	s.must(c.Component("volsync").Resume(s.ctx))
	s.copyStatus("Completed")
}

func testKilledDriver(t *testing.T, c *Cluster) {
	s := newSite(t, c, "killed-driver")
	s.hold(pace.Pace{CutDelay: time.Hour})
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.fire("run-1")
	s.copyStatus("InProgress")
	s.must(c.Component("dircsi").Kill(s.ctx))
	s.must(c.SetPace(pace.Pace{}))
	s.must(c.Component("dircsi").Start(s.ctx))
	s.copyStatus("Completed")
}

// hold sets a pace for this test alone.
func (s *site) hold(p pace.Pace) {
	s.t.Helper()
	s.must(s.SetPace(p))
	s.t.Cleanup(func() { s.must(s.SetPace(pace.Pace{})) })
}

func (s *site) snapshot(what string, as func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.t.Helper()
	return s.until(snapshots(), "", what, as)
}
