package harness

import (
	"path/filepath"
	"testing"
)

func TestTally(t *testing.T) {
	var first, second tally
	first.ran("TestA")
	first.ran("TestB/one")
	first.ran("TestB/two")
	first.skip("TestB/two", "slows the storage down") // half-way
	first.ran("TestB/two")                            // its second namespace
	first.skip("TestC", "stops a component")
	second.ran("TestA") // another suite's
	second.skip("TestD", "stops a component")

	file := filepath.Join(t.TempDir(), "tally")
	for _, c := range []struct {
		of   counts
		want string
	}{
		{
			first.counts("one"),
			"one: 2 tests ran, 2 were skipped: 1 × slows the storage down; 1 × stops a component",
		},
		{
			second.counts("two"),
			"one, two: 3 tests ran, 3 were skipped: 2 × stops a component; 1 × slows the storage down",
		},
		{
			(&tally{}).counts("none"),
			"one, two, none: 3 tests ran, 3 were skipped: 2 × stops a component; 1 × slows the storage down",
		},
	} {
		sum, err := c.of.upon(file)
		if got := sum.String(); got != c.want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, c.want)
		}
	}
}
