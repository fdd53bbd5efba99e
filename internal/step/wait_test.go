package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A wait says why, once; and from time to time that it goes on.
func TestWaitSaysWhy(t *testing.T) {
	p := on(t, func(p *play) { p.sources[0].SyncStart = "" }, awaitWaiting(time.Hour-time.Second), func(p *play) {
		for range 5 {
			after(time.Second)
			p.annotate("example.com/other", time.Now().String()) // changes nothing that matters
		}
		after(5*time.Minute + time.Second)
	})
	const why = "PVC app/data: ReplicationSource rs has no sync running"
	for says, want := range map[string]int{`msg="waiting: ` + why: 1, `msg="still waiting: ` + why: 59} {
		if got := p.log.count(says); got != want {
			t.Errorf("got %q %d times in an hour, want %d", says, got, want)
		}
	}
}

func TestWaitGoesOnSayingItWhileTheServerIsAway(t *testing.T) {
	p := on(t, func(p *play) { p.sources[0].SyncStart = "" }, awaitWaiting(time.Hour-time.Second), func(p *play) {
		p.faults(always(away), nil)
		p.change("rs", func() {})
	})
	const again = "still waiting: trying again: get persistentvolumeclaims app/data: the server is away"
	if got := p.log.count(again); got != 59 {
		t.Errorf("said it %d times in an hour, want 59", got)
	}
	if got := p.log.count(`msg="waiting: trying again: get persistentvolumeclaims`); got != 1 {
		t.Errorf("gave the reason %d times, want once", got)
	}
}

// Nothing is decided before everything is watched: a change in between would be missed.
func TestWaitWatchesBeforeItDecides(t *testing.T) {
	for _, late := range []string{"watch pvc", "watch rs", "watch copy"} {
		t.Run(late, func(t *testing.T) {
			p := on(t, func(p *play) {
				p.sources[0].SyncStart = ""
				p.faults(func(request string) error {
					if request == late && time.Since(p.start) < time.Minute {
						return away
					}
					return nil
				}, nil)
			}, awaitWaiting(time.Hour), func(p *play) {
				after(30 * time.Second)
				if p.log.count("no sync running") != 0 {
					t.Error("decided without " + late)
				}
				p.change("rs", func() { p.sources[0].SyncStart = "2000-01-01T00:00:30Z" })
			})
			p.wants(t, want{outcome: outcome.OK})
			if p.took < time.Minute || p.took > time.Minute+maxRetry {
				t.Errorf("took %s, want about 1m", p.took)
			}
		})
	}
}

// With another source the copy has another name, and the old one is not watched any more.
func TestWaitFollowsTheCopyOfTheSource(t *testing.T) {
	p := on(t, func(p *play) { p.sources[0].SyncStart = "" }, awaitWaiting(time.Hour), func(p *play) {
		second := handshake.Source{Name: "second", UID: "rs-2", Mover: "restic", Method: "Clone"}
		p.change("rs", func() { p.sources = []handshake.Source{second} })
		after(time.Second)
		p.mu.Lock()
		n := len(p.watchers)
		p.mu.Unlock()
		if got := p.count("watch copy"); got != 2 || n != 3 {
			t.Errorf("opened %d watches of a copy, %d watches stand; want 2 and 3", got, n)
		}
		p.change("rs", func() { p.sources[0].SyncStart = "2000-01-01T01:00:00Z" })
	})
	p.wants(t, want{outcome: outcome.OK})
}

// Without a change it looks every half minute, and no more often.
func TestWaitLooksNowAndThen(t *testing.T) {
	const hours, lookMost = 24, 24 * 3600 / 30
	p := on(t, func(p *play) { p.sources[0].SyncStart = "" }, awaitWaiting(hours*time.Hour), nil)
	if n := p.count("get pvc"); n < lookMost-1 || n > lookMost+5 {
		t.Errorf("%d looks in a day without a change, want one every half minute: %d", n, lookMost)
	}
}

// Whatever becomes of the watches, who waits with an application frozen sees the record within
// half a minute: a watch that is refused, one that is never established, one that says nothing.
func TestAwaitCompletedLooksWithoutAWatch(t *testing.T) {
	for name, prepare := range map[string]func(p *play){
		"refused": func(p *play) { p.faults(always(forbidden, "watch pvc", "watch rs", "watch copy"), nil) },
		"away":    func(p *play) { p.faults(always(away, "watch pvc", "watch rs", "watch copy"), nil) },
		"refused before the first look": func(p *play) {
			p.faults(always(forbidden, "watch pvc", "watch rs", "watch copy"),
				once("get pvc", func() error { time.Sleep(time.Second); return nil }))
		},
		"says nothing": func(p *play) { p.silent = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := complete(t, freeze, prepare, func(p *play) {
				after(time.Second)
				p.takes()
				after(time.Minute)
				p.completes()
			})
			p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
			if most := time.Minute + time.Second + lookAgain; p.took > most {
				t.Errorf("took %s, want %s at most", p.took, most)
			}
		})
	}
}
