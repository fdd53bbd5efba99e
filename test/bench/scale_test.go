package bench

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// scale measures await-waiting and fire-trigger on many claims: from the moment in which the last
// claim waits until await-waiting has locked all of them, and how long fire-trigger takes to set
// all triggers. The API server is the real one. VolSync's part is played.
func scale(t *testing.T, r *Report) {
	harness.New(t).Component("volsync").Kill()
	for _, n := range []int{10, 100, 1000} {
		measured := Scale{Claims: n}
		for range 3 {
			p := harness.New(t).Played(n)
			await, last, fire, start := together(p)
			measured.Waited = append(measured.Waited, await.Ended.Sub(last))
			measured.Fired = append(measured.Fired, fire.Ended.Sub(start))
			measured.CPU = append(measured.CPU, await.CPU+fire.CPU)
			measured.Peak = append(measured.Peak, max(await.Peak, fire.Peak))
		}
		// By itself: the proxy costs more than what it counts.
		p := harness.New(t).Played(n)
		through, proxy := p.Proxied()
		p.Site = through
		together(p)
		measured.Requests = len(proxy.Asked())
		r.Scales = append(r.Scales, measured)
	}
}

// together waits for all claims, and fires.
func together(p *harness.Played) (await harness.Cost, last time.Time, fire harness.Cost, start time.Time) {
	waits := p.StartAll("await-waiting", "--run-id", "run", "--timeout", "20m")
	waits.Says("waiting: ")
	last = p.Wait()
	trigger := waits.End().EndsTogether(harness.OK).Value("trigger")
	start = time.Now()
	fires := p.StartAll("fire-trigger", "--trigger", trigger, "--timeout", "10m")
	fires.End().EndsTogether(harness.OK)
	if got, want := p.Count(harness.Trigger, trigger), p.Size(); got != want {
		p.Fatalf("%d of %d claims are armed", got, want)
	}
	return waits.Cost(), last, fires.Cost(), start
}
