package main

import (
	"context"
	"testing"
)

// Whoever comes for a copy that has ended since it looked gets that one.
func TestCopyIsMadeOnce(t *testing.T) {
	c := newCopies(t.Context())
	times := 0
	for range 2 {
		err := c.do(t.Context(), "to", func() bool { return times > 0 }, func(context.Context) error {
			times++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if times != 1 {
		t.Errorf("got %d copies, want 1", times)
	}
}
