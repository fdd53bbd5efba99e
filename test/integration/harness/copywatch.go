package harness

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WatchCopy watches for the next trigger. The function that it gives waits until VolSync
// has recorded that, and says how long it took from when it was set.
func (s *Site) WatchCopy() func() time.Duration {
	s.Helper()
	was := s.Marks().Latest
	w, err := shared.client.CoreV1().
		PersistentVolumeClaims(s.Namespace).
		Watch(s.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + Claim})
	s.Must(err)
	took := make(chan time.Duration, 1)
	go func() {
		defer close(took)
		defer w.Stop()
		var set time.Time
		for e := range w.ResultChan() {
			o, ok := e.Object.(metav1.Object)
			if !ok {
				return
			}
			a := o.GetAnnotations()
			if set.IsZero() && a[Trigger] != "" && a[Trigger] != was {
				set = time.Now()
			}
			if !set.IsZero() && a[Latest] == a[Trigger] {
				took <- time.Since(set)
				return
			}
		}
	}()
	return func() time.Duration {
		s.Helper()
		d, ok := <-took
		if !ok {
			s.Fatalf("the watch on the claim ended before the copy did")
		}
		return d
	}
}
