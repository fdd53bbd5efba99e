package step

import (
	"sync"
	"time"
)

// turn is a moment of a run.
type turn int

const (
	turnQuiesce   turn = iota // quiesce begins: from here the application may be frozen
	turnQuiesced              // it is frozen
	turnFired                 // the trigger is set
	turnTaken                 // VolSync has been seen to have taken it
	turnCut                   // the storage has been seen to have cut the copy
	turnCompleted             // VolSync has been seen to have recorded it
	turnUnquiesce             // unquiesce begins
	turnReleased              // the application runs again
)

// Timeline is when the turns of a run came, by the clock of this process. A nil Timeline
// keeps nothing.
type Timeline struct {
	mu sync.Mutex
	at map[turn]time.Time
}

// note keeps the first time of a turn.
func (t *Timeline) note(n turn) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[turn]time.Time{}
	}
	_, known := t.at[n]
	if _, late := t.at[turnCompleted]; known || late && n == turnCut {
		return
	}
	t.at[n] = time.Now()
}

// between is the time from one turn to another; false if one of them has not come, or not
// in this order (what is seen by two watches may be).
func (t *Timeline) between(from, to turn) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, b := t.at[from], t.at[to]
	if a.IsZero() || b.Before(a) {
		return 0, false
	}
	return b.Sub(a), true
}

// Frozen is since when the application may be frozen; false if it is not.
func (t *Timeline) Frozen() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, begun := t.at[turnQuiesce]
	_, over := t.at[turnReleased]
	return since, begun && !over
}

// Span is a part of a run.
type Span struct {
	Name string // of the result that has it in seconds
	Says string // to people
	Took time.Duration
	Came bool // it was gone through, to its end
}

// Spans are the parts of the run in their order, and the whole freeze at last. Of a clone
// nobody sees the cut, and of a snapshot that is ready at once perhaps not either.
func (t *Timeline) Spans() []Span {
	completed := struct {
		says string
		from turn
	}{"cut → completed", turnCut}
	if _, seen := t.between(turnCut, turnCompleted); !seen {
		completed.says, completed.from = "taken → completed", turnTaken
	}
	spans := []struct {
		name, says string
		from, to   turn
	}{
		{"quiesce-seconds", "quiesce", turnQuiesce, turnQuiesced},
		{"fire-seconds", "fire", turnQuiesced, turnFired},
		{"taken-seconds", "fire → taken", turnFired, turnTaken},
		{"cut-seconds", "taken → cut", turnTaken, turnCut},
		{"completed-seconds", completed.says, completed.from, turnCompleted},
		{"unquiesce-seconds", "unquiesce", turnUnquiesce, turnReleased},
		{"freeze-seconds", "frozen", turnQuiesce, turnReleased},
	}
	var all []Span
	for _, s := range spans {
		took, came := t.between(s.from, s.to)
		all = append(all, Span{s.name, s.says, took, came})
	}
	return all
}

// seconds is d to the microsecond. [time.Duration.Seconds] adds two numbers that are rounded,
// and makes 1.6848260000000002 of 1.684826.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond).Microseconds()) / 1e6
}
