package main

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// chronicle tells what VolSync and the storage do, and keeps when.
type chronicle struct {
	story *story
	mu    sync.Mutex
	times map[string]time.Time
	last  map[string]string
}

func newChronicle(s *story) *chronicle {
	return &chronicle{story: s, times: map[string]time.Time{}, last: map[string]string{}}
}

// Events of a chronicle; VolSync's statuses are others.
const (
	eventFired     = "fired"
	eventTaken     = "InProgress"
	eventCompleted = "Completed"
)

func (c *chronicle) see(r resource, o *unstructured.Unstructured) {
	now := time.Now()
	switch {
	case r == claims && o.GetName() == claim:
		a := o.GetAnnotations()
		if c.news("trigger", a[copyTrigger]) && a[copyTrigger] != "" && a[copyTrigger] != a[latestTrigger] {
			c.mark(now, eventFired)
		}
		if status := a[latestStatus]; c.news("status", status) && status != "" {
			c.mark(now, status)
			c.story.event(yellow, "VolSync", "claim demo/data: "+status)
		}
	case r == snapshots && o.GetName() == copyName:
		if c.news("snapshot", string(o.GetUID())) {
			c.story.event(yellow, "VolSync", "made VolumeSnapshot demo/"+copyName)
		}
		if cut := field(o, "status", "creationTime"); c.news("cut", cut) && cut != "" {
			c.story.event(yellow, "storage", "cut VolumeSnapshot demo/"+copyName)
		}
	}
}

// news tells whether a value is another than the last.
func (c *chronicle) news(what, value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[what] == value {
		return false
	}
	c.last[what] = value
	return true
}

func (c *chronicle) mark(at time.Time, event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[event] = at
}

func (c *chronicle) when(event string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times[event]
}
