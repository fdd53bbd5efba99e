package argo

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// suspend is `argo suspend`, and resume.
func (r *run) suspend(is bool) {
	r.site.Helper()
	r.site.Patch("Workflow", r.name, map[string]any{"spec": map[string]any{"suspend": is}})
}

// The pod that there is goes on when its Workflow is suspended: the application is let go.
func TestSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	r := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)
	s.Ledger.AwaitFreeze()
	r.suspend(true)
	storage.Release()
	s.AwaitUnlocked()
	s.Ledger.AwaitWrites()
	r.suspend(false)
	s.copiedBy(r)
}

// If that pod is lost nothing lets the application go, until somebody resumes the Workflow: then its
// exit handler does.
func TestSuspendedAndLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Replicate(s.Hold().Class())
	r := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)
	s.Ledger.AwaitFreeze()
	r.settled()
	r.suspend(true)
	s.DeletePod(r.pod(freezePod).Name)
	s.Await(application.Kinds["Workflow"], r.name, "with a lost pod", func(o *unstructured.Unstructured) bool {
		nodes, err := nodesOf(o)
		s.Must(err)
		freeze := podsOf(nodes, "freeze")
		return len(freeze) == 1 && freeze[0].Phase == "Error"
	})
	if n := len(r.pods("cleanup")); n != 0 || !s.DB.Frozen() {
		t.Errorf("suspended, it has cleaned up in %d pods; the application is frozen: %t", n, s.DB.Frozen())
	}
	resumed := time.Now().Truncate(time.Second) // as Argo writes times
	r.suspend(false)
	if phase := r.ended(); phase != "Error" || len(r.pods("cleanup")) != 1 {
		t.Errorf("the run ended with %s, and was cleaned up in %d pods", phase, len(r.pods("cleanup")))
	}
	if began := r.pods("cleanup")[0].StartedAt; began.Time.Before(resumed) {
		t.Errorf("it cleaned up at %s, and was suspended until %s", began, resumed)
	}
	s.Left(t, r.uid(), false)
	s.Ledger.AwaitWrites()
}

// Who terminates a run that waits for the mutex has frozen nothing, and Argo calls it a success.
func TestTerminatedBehindTheMutex(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	storage := s.Hold()
	s.Replicate(storage.Class())
	first := s.start(nil, nil)
	s.AwaitStatus(harness.InProgress)
	second := s.start(nil, nil)
	s.Await(application.Kinds["Workflow"], second.name, "waiting for the mutex", waitsForMutex)
	second.set("Terminate")
	if phase := second.ended(); phase != "Succeeded" {
		t.Errorf("the second run ended with %s", phase)
	}
	if pods := s.Pods(second.selector()); len(pods) != 0 { // Argo has a node for the one that it never made
		t.Errorf("the second run has had the pod %s", pods[0].Name)
	}
	if freezes := s.Ledger.Seen(); len(freezes) != 1 || !s.DB.Frozen() {
		t.Errorf("the second run has touched the application: %+v", freezes)
	}
	storage.Release()
	s.copiedBy(first)
	s.LeftUnlocked()
}

func waitsForMutex(o *unstructured.Unstructured) bool {
	waiting, _, _ := unstructured.NestedSlice(o.Object, "status", "synchronization", "mutex", "waiting")
	return len(waiting) == 1
}
