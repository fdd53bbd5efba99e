package harness

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The protocol's annotations. They are written out here too, as VolSync's documentation
// has them, so that a slip in the program's own constants shows.
const (
	Use     = "volsync.backube/use-copy-trigger"
	Trigger = "volsync.backube/copy-trigger"
	Latest  = "volsync.backube/latest-copy-trigger"
	Status  = "volsync.backube/latest-copy-status"
	Since   = "volsync.backube/latest-copy-trigger-waiting-since"
)

// The values of Status.
const (
	Waiting    = "WaitingForTrigger"
	InProgress = "InProgress"
	Completed  = "Completed"
)

// Marks are the protocol's annotations on the claim; "" is absent. Since is not among
// them: VolSync has it there exactly while it waits.
type Marks struct{ Trigger, Latest, Status string }

// Marks are those of the claim now.
func (s *Site) Marks() Marks {
	s.Helper()
	a := s.Annotations()
	return Marks{a[Trigger], a[Latest], a[Status]}
}

// Annotations are the claim's now.
func (s *Site) Annotations() map[string]string {
	s.Helper()
	claim, err := shared.client.CoreV1().PersistentVolumeClaims(s.Namespace).Get(s.Ctx, s.claim, metav1.GetOptions{})
	s.Must(err)
	return claim.Annotations
}

// Leaves asserts what the claim's annotations are in the end. copy-trigger has to be
// right at once, for VolSync does not write it; the rest as soon as VolSync has caught up.
func (s *Site) Leaves(trigger, latest, status string) {
	s.Helper()
	want := Marks{trigger, latest, status}
	if got := s.Marks(); got.Trigger != want.Trigger {
		s.Fatalf("the claim has copy-trigger %q, want %q", got.Trigger, want.Trigger)
	}
	ctx, cancel := context.WithTimeout(s.Ctx, 10*time.Minute) // of a storage that uploads what it copies
	defer cancel()
	last, err := follow(ctx, shared.dynamic, claims, s.Namespace, s.claim, func(o *object) bool { return o.is(want) })
	if err != nil {
		s.Fatalf("the claim's annotations: %v; want %+v", last.GetAnnotations(), want)
	}
	if got := s.Marks(); got.Trigger != want.Trigger {
		s.Fatalf("the claim has copy-trigger %q, want %q", got.Trigger, want.Trigger)
	}
}

func (o *object) is(m Marks) bool {
	if o == nil {
		return false
	}
	a := o.GetAnnotations()
	_, since := a[Since]
	return Marks{a[Trigger], a[Latest], a[Status]} == m && since == (m.Status == Waiting)
}

// AwaitStatus waits until VolSync says so about the claim.
func (s *Site) AwaitStatus(status string) {
	s.Helper()
	s.until(claims, s.claim, status, func(o object) bool { return o.GetAnnotations()[Status] == status })
}

// AwaitRecorded waits until VolSync has recorded the trigger.
func (s *Site) AwaitRecorded(trigger string) {
	s.Helper()
	s.until(claims, s.claim, "recorded with "+trigger, func(o object) bool {
		return o.GetAnnotations()[Latest] == trigger && o.GetAnnotations()[Status] == Completed
	})
}

// Annotate does what kubectl annotate --overwrite does: no condition. "" removes.
func (s *Site) Annotate(key, value string) {
	s.Helper()
	annotation := map[string]any{key: value}
	if value == "" {
		annotation[key] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotation}})
	s.Must(err)
	_, err = shared.client.CoreV1().
		PersistentVolumeClaims(s.Namespace).
		Patch(s.Ctx, s.claim, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"})
	s.Must(err)
}

// Nudge returns when VolSync has looked at the claim as it is now, and at everything
// that was before: it takes away waiting-since, which VolSync puts back where it waits,
// or puts one where none belongs, which VolSync takes away. So what has not happened
// after it is not going to.
func (s *Site) Nudge() {
	s.Helper()
	waits := s.Marks().Status == Waiting
	value := "2000-01-01T00:00:00Z"
	if waits {
		value = ""
	}
	s.Annotate(Since, value)
	s.until(claims, s.claim, "looked at by VolSync", func(o object) bool {
		_, since := o.GetAnnotations()[Since]
		return since == waits
	})
}

// Locker is the run that has the claim locked, or had it when it was lost.
func (s *Site) Locker() string {
	run, _, _ := strings.Cut(s.Annotations()[LockedBy], "/")
	return run
}

// LockedBy is the annotation that names the run in its freeze.
const LockedBy = "copytrigger/locked-by"

// LeftLocked asserts that the claim's lock has the value, of a run and its state, whoever the
// owners are; "" is none.
func (s *Site) LeftLocked(value string) {
	s.Helper()
	by := s.Annotations()[LockedBy]
	if by != value && !strings.HasPrefix(by, value+"/") || value == "" && by != "" {
		s.Fatalf("the claim is left locked by %q, want %q", by, value)
	}
}

// LeftUnlocked asserts that no run has the claim locked.
func (s *Site) LeftUnlocked() {
	s.Helper()
	s.LeftLocked("")
}
