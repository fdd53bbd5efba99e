package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A wait that ends between the look at it and the lock is not locked for: the next one is.
func TestAwaitWaitingLocksForAWaitThatIsThere(t *testing.T) {
	const later = "2000-01-01T01:00:00Z"
	over := func(p *play) func() error {
		return func() error {
			p.annotate(handshake.StatusAnnotation, handshake.StatusCompleted, handshake.SinceAnnotation, "",
				handshake.TriggerAnnotation, "else", handshake.LatestAnnotation, "else")
			return nil
		}
	}
	for name, faults := range map[string]func(p *play) (before, after func(string) error){
		"before the lock": func(p *play) (before, after func(string) error) {
			return once("patch pvc", over(p)), nil
		},
		"while its reply is lost": func(p *play) (before, after func(string) error) {
			return nil, once("patch pvc", func() error { _ = over(p)(); return away })
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) { p.faults(faults(p)) }, awaitWaiting(2*time.Hour), func(p *play) {
				after(time.Hour)
				p.wantLock(t, "")
				p.waits(later)
			})
			p.wants(t, want{outcome: outcome.OK, trigger: "else"})
			p.wantTrigger(t, later)
		})
	}
}
