package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// A quota keeps VolSync from making its copy: the application is let go soon, and told why. VolSync
// waits again then, so nothing was copied, and the same wait serves another run.
func TestQuotaForbidsTheCopy(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"": nil, "--until=cut": {"--until", "cut"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			s.ReplicateAndWait(harness.Source{})
			trigger := s.AwaitWaiting("run")
			noSnapshots(s)
			s.Fire(trigger)
			await := append([]string{"--trigger", trigger, "--ack-timeout", "2s"}, args...)
			s.Run("await-completed", await...).Ends(harness.Withdrawn).
				Error("VolSync took the trigger and has made no copy within 2s").
				Error("exceeded quota: no-snapshots").
				Error("VolSync waits again, and there is no copy: none was made")
			s.Leaves("", "", harness.Waiting)
			s.Copied(0)

			s.Unlock("run")
			s.Must(s.Kube().CoreV1().ResourceQuotas(s.Namespace).Delete(s.Ctx, "no-snapshots", metav1.DeleteOptions{}))
			s.Eventually("the quota is gone", func() bool {
				r := s.Run("await-waiting", "--run-id", "again")
				return r.Code == harness.OK
			})
		})
	}
}

// noSnapshots forbids VolumeSnapshots by a quota, and returns when it is in force.
func noSnapshots(s *harness.Site) {
	s.Helper()
	quota(s, "no-snapshots", "count/volumesnapshots.snapshot.storage.k8s.io", "0")
}

// quota makes a quota of something, all of which is used.
func quota(s *harness.Site, name string, of corev1.ResourceName, hard string) {
	s.Helper()
	quotas := s.Kube().CoreV1().ResourceQuotas(s.Namespace)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{of: resource.MustParse(hard)}},
	}
	quota, err := quotas.Create(s.Ctx, quota, metav1.CreateOptions{})
	s.Must(err)
	// What the controller of quotas does, and not every cluster of these tests has it.
	quota.Status = corev1.ResourceQuotaStatus{
		Hard: quota.Spec.Hard, Used: corev1.ResourceList{of: resource.MustParse(hard)},
	}
	if _, err = quotas.UpdateStatus(s.Ctx, quota, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		s.Must(err)
	}
}

// A claim without a volume is not waited for by VolSync alone: there is nothing to quiesce for.
func TestAwaitWaitingForABoundClaim(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Need(harness.ClusterWide)
	unbound(s)
	s.Run("await-waiting", "--run-id", "run", "--timeout", "1s").Ends(harness.TimedOut).
		Error("it is not bound to a volume")
	s.LeftUnlocked()
}

// What keeps VolSync from waiting is told, with what to do.
func TestAwaitWaitingSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	t.Run("a copy that the storage cannot make", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		trigger, _ := s.FireHeld("first")
		s.Run("disarm", "--run-id", "first").Outcome("tainted")
		s.Unlock("first")
		_ = trigger
		s.Run("await-waiting", "--run-id", "second", "--timeout", "5s").Ends(harness.TimedOut).
			Error("the copy volsync-nightly-src exists already, made at 20").
			Error("the storage reports for it: ").
			Error("kubectl delete -n " + s.Namespace + " volumesnapshot/volsync-nightly-src")
	})
	t.Run("a trigger that rests", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		backedUp(s)
		s.FinishSync()
		s.Run("await-waiting", "--run-id", "second", "--timeout", "1s").Ends(harness.TimedOut).
			Error(`ReplicationSource nightly has no sync running; its trigger "first" has been synced`).
			Error("copytrigger start-sync -n " + s.Namespace + " --pvc data")
	})
	t.Run("a schedule", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.ReplicateAndWait(harness.Source{Cron: "0 0 1 1 *"})
		trigger := s.AwaitWaiting("first")
		s.Fire(trigger)
		s.AwaitCompleted(trigger)
		s.Unlock("first")
		s.FinishSync()
		s.Run("await-waiting", "--run-id", "second", "--timeout", "1s").Ends(harness.TimedOut).
			Error("has no sync running; the next is due at 20")
	})
	t.Run("what VolSync cannot do", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.Replicate(harness.Source{Mover: "rclone", Cron: "0 0 1 1 *"})
		s.AwaitStatus(harness.Waiting)
		s.PatchSource(map[string]any{"rclone": map[string]any{"rcloneConfig": "gone"}})
		// From then on it does not write that it waits.
		s.Eventually("the source to say so", func() bool { return strings.Contains(s.Report(), `Secret "gone" not found`) })
		s.Annotate(harness.Status, "")
		s.Run("await-waiting", "--run-id", "run", "--timeout", "3s").Ends(harness.TimedOut).
			Error("ReplicationSource nightly says: ").Error(`"gone"`)
	})
	t.Run("a clone", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.ReplicateAndWait(harness.Source{Method: "Clone"})
		s.Run("await-waiting", "--run-id", "run").Ends(harness.OK).
			Says("copies by Clone: with a storage class that waits for its first consumer")
	})
}
