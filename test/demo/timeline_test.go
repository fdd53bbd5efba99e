package main

import (
	"strings"
	"testing"
	"time"
)

// at is a freeze whose moments are so many milliseconds after its beginning.
func at(quiesced, fired, taken, cut, completed, thawing, thawed int) freeze {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	return freeze{
		began: began, quiesced: after(quiesced), fired: after(fired), taken: after(taken),
		cut: after(cut), completed: after(completed), thawing: after(thawing), thawed: after(thawed),
	}
}

func TestPhasesFillTheFreeze(t *testing.T) {
	for name, f := range map[string]freeze{
		"in order":              at(100, 150, 160, 3000, 3100, 3200, 4000),
		"taken noticed late":    at(100, 150, 3050, 3000, 3100, 3200, 4000),
		"fired noticed late":    at(100, 170, 160, 3000, 3100, 3200, 4000),
		"completed seen late":   at(100, 150, 160, 3000, 3210, 3200, 4000),
		"everything in no time": at(0, 0, 0, 0, 0, 0, 0),
	} {
		var sum, last time.Duration
		for _, p := range f.phases() {
			if p.from != last {
				t.Errorf("%s: %s begins at %s, want %s", name, p.name, p.from, last)
			}
			if p.length() < 0 {
				t.Errorf("%s: %s takes %s", name, p.name, p.length())
			}
			last = p.to
			sum += p.length()
		}
		if sum != f.total() {
			t.Errorf("%s: the phases take %s together, want %s", name, sum, f.total())
		}
	}
}

func TestTimeline(t *testing.T) {
	got := strings.Join(at(1000, 1000, 1500, 3000, 3000, 3000, 4000).timeline(), "\n")
	want := strings.TrimSpace(`
phase              from/s    for/s
quiesce             0.000    1.000  |##########                              |  the application comes to rest
quiesced -> fire    1.000    0.000  |          #                             |  fire-trigger starts, looks again, writes the trigger
fire -> taken       1.000    0.500  |          #####                         |  VolSync notices: InProgress
taken -> cut        1.500    1.500  |               ###############          |  the storage copies
cut -> completed    3.000    0.000  |                              #         |  the storage says ready, VolSync records the trigger
completed -> go     3.000    0.000  |                              #         |  await-completed notices and ends
unquiesce           3.000    1.000  |                              ##########|  the application runs again
freeze, in all               4.000  |========================================|`)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBarStaysInItsColumns(t *testing.T) {
	for from := range 101 {
		for to := from; to <= 100; to++ {
			p := phase{from: time.Duration(from), to: time.Duration(to)}
			if got := bar(p, 100, 40); len(got) != 40 || !strings.Contains(got, "#") {
				t.Fatalf("from %d to %d of 100: got %q", from, to, got)
			}
		}
	}
}
