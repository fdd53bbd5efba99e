package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Timeline is all that happens in a coordination, in the order in which it was noticed.
type Timeline struct {
	mu     sync.Mutex
	start  time.Time
	events []Event
	more   chan struct{} // closed by the next event
}

// Event is something that happened.
type Event struct {
	At   time.Time
	Who  string // a process, or "app", "claim", "copy", "volsync"
	What string
	Key  string // by which plans wait for it; "" for most
}

// NewTimeline returns an empty timeline that begins now.
func NewTimeline() *Timeline { return &Timeline{start: time.Now(), more: make(chan struct{})} }

// Add notes something.
func (t *Timeline) Add(who, what string, args ...any) time.Time {
	return t.Mark("", who, what, args...)
}

// Mark notes something that a plan may wait for.
func (t *Timeline) Mark(key, who, what string, args ...any) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := Event{At: time.Now(), Who: who, What: fmt.Sprintf(what, args...), Key: key}
	t.events = append(t.events, e)
	close(t.more)
	t.more = make(chan struct{})
	return e.At
}

// Await returns when the key has been marked, or done is closed. It reports whether it was
// marked.
func (t *Timeline) Await(key string, done <-chan struct{}) bool {
	for {
		t.mu.Lock()
		more, found := t.more, t.has(key)
		t.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-more:
		case <-done:
			return false
		}
	}
}

func (t *Timeline) has(key string) bool {
	for _, e := range t.events {
		if e.Key == key {
			return true
		}
	}
	return false
}

// First is when the key was first marked; zero if it was not.
func (t *Timeline) First(key string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.events {
		if e.Key == key {
			return e.At
		}
	}
	return time.Time{}
}

// String is the story: a line for each event, with the seconds since the beginning.
func (t *Timeline) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, e := range t.events {
		fmt.Fprintf(&b, "%8.3f  %-10s %s\n", e.At.Sub(t.start).Seconds(), e.Who, e.What)
	}
	return b.String()
}
