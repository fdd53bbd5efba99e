package harness

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WatchCopies watches for the next trigger of the members. The function that it gives waits until
// VolSync has recorded it on all of them, and says how long that took from when it was set on the
// last.
func (g *Group) WatchCopies() func() time.Duration {
	g.Helper()
	open := map[string]string{} // what VolSync recorded before, of the members that it has not copied
	for _, m := range g.Members {
		open[m.claim] = m.Marks().Latest
	}
	w, err := shared.client.CoreV1().PersistentVolumeClaims(g.Namespace).Watch(g.Ctx, metav1.ListOptions{})
	g.Must(err)
	took := make(chan time.Duration, 1)
	go func() {
		defer close(took)
		defer w.Stop()
		var last time.Time
		set := map[string]bool{}
		for e := range w.ResultChan() {
			o, ok := e.Object.(metav1.Object)
			if !ok {
				return
			}
			was, ours := open[o.GetName()]
			a := o.GetAnnotations()
			if !ours || a[Trigger] == "" || a[Trigger] == was {
				continue
			}
			if !set[o.GetName()] {
				set[o.GetName()], last = true, time.Now()
			}
			if a[Latest] == a[Trigger] {
				delete(open, o.GetName())
			}
			if len(open) == 0 {
				took <- time.Since(last)
				return
			}
		}
	}()
	return func() time.Duration {
		g.Helper()
		d, ok := <-took
		if !ok {
			g.Fatalf("the watch on the claims ended before the copies did")
		}
		return d
	}
}

// WatchCopy is WatchCopies of one claim.
func (s *Site) WatchCopy() func() time.Duration {
	return (&Group{Site: s, Members: []*Site{s}}).WatchCopies()
}

// FinishSyncs lets the movers of all members succeed, and asks for one more sync.
func (g *Group) FinishSyncs(next string) {
	g.Helper()
	for _, m := range g.Members {
		m.Must(shared.cluster.CompleteJob(m.Ctx, m.Namespace, m.moverJob()))
	}
	for _, m := range g.Members {
		m.until(sources, m.source, "idle", func(o object) bool { return o.text("status", "lastSyncStartTime") == "" })
		m.untilGone(snapshots, m.copyName())
	}
	for _, m := range g.Members {
		m.SyncAgain(next)
	}
}
