package step

import (
	"sync"
	"time"
)

// moment is one of a run.
type moment int

const (
	quiesceBegins moment = iota // from here the application may be frozen
	quiesced                    // it is frozen
	fired                       // the trigger is set
	taken                       // VolSync has been seen to have taken it
	cut                         // the storage has been seen to have cut the copy
	completed                   // VolSync has been seen to have recorded it
	unquiesceBegins
	runsAgain
)

// Timeline is when the moments of a run came, by the clock of this process. A nil Timeline
// keeps nothing.
type Timeline struct {
	mu sync.Mutex
	at map[moment]time.Time
}

// mark keeps the first time of a moment.
func (t *Timeline) mark(m moment) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[moment]time.Time{}
	}
	_, known := t.at[m]
	if _, late := t.at[completed]; known || late && m == cut {
		return
	}
	t.at[m] = time.Now()
}

// members are the timelines of a group's members; of one it is the run's own.
func (t *Timeline) members(n int) []*Timeline {
	all := make([]*Timeline, n)
	for i := range all {
		if all[i] = t; t != nil && n > 1 {
			all[i] = &Timeline{}
		}
	}
	return all
}

// last marks what all members have reached, when the last of them did.
func (t *Timeline) last(members []*Timeline) {
	if t == nil || len(members) == 1 {
		return
	}
	for _, m := range []moment{taken, cut, completed} {
		var last time.Time
		for _, member := range members {
			at, reached := member.at[m]
			if !reached {
				last = time.Time{}
				break
			}
			if at.After(last) {
				last = at
			}
		}
		t.mu.Lock()
		if _, known := t.at[m]; !known && !last.IsZero() {
			t.at[m] = last
		}
		t.mu.Unlock()
	}
}

// between is the time from one moment to another. It reports false if one of them has not come,
// or not in this order (what is seen by two watches may be).
func (t *Timeline) between(from, to moment) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, b := t.at[from], t.at[to]
	if a.IsZero() || b.Before(a) {
		return 0, false
	}
	return b.Sub(a), true
}

// Frozen returns since when the application may be frozen. It reports false if it is not.
func (t *Timeline) Frozen() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, begun := t.at[quiesceBegins]
	_, over := t.at[runsAgain]
	return since, begun && !over
}

// Span is a part of a run.
type Span struct {
	Name    string // of the result that has it in seconds
	Label   string // to people
	Took    time.Duration
	Reached bool // the run came to its end
}

// Seconds returns how long the span took, to the microsecond. [time.Duration.Seconds] adds two
// numbers that are rounded, and makes 1.6848260000000002 of 1.684826.
func (s Span) Seconds() float64 { return float64(s.Took.Round(time.Microsecond).Microseconds()) / 1e6 }

// Spans are the parts of the run in their order, and the whole freeze at last. Of a clone
// nobody sees the cut, and of a snapshot that is ready at once perhaps not either.
func (t *Timeline) Spans() []Span {
	last := struct {
		label string
		from  moment
	}{"cut → completed", cut}
	if _, seen := t.between(cut, completed); !seen {
		last.label, last.from = "taken → completed", taken
	}
	spans := []struct {
		name, label string
		from, to    moment
	}{
		{"quiesce-seconds", "quiesce", quiesceBegins, quiesced},
		{"fire-seconds", "fire", quiesced, fired},
		{"taken-seconds", "fire → taken", fired, taken},
		{"cut-seconds", "taken → cut", taken, cut},
		{"completed-seconds", last.label, last.from, completed},
		{"unquiesce-seconds", "unquiesce", unquiesceBegins, runsAgain},
		{"freeze-seconds", "frozen", quiesceBegins, runsAgain},
	}
	var all []Span
	for _, s := range spans {
		took, reached := t.between(s.from, s.to)
		all = append(all, Span{s.name, s.label, took, reached})
	}
	return all
}

// Seconds returns a time as a result has it, to the millisecond.
func Seconds(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) / 1e3 }
