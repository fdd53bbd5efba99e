package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// fixed is the seed of half of the coordinations where none is given: what it finds, it finds
// again.
const fixed = 1

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// keeper keeps the counts as they are after each coordination: whoever ends the campaign loses none.
func keeper() func(*testing.T, *Campaign) {
	var mu sync.Mutex
	began, dir, table := time.Now(), os.Getenv("CHAOS_COUNTS"), os.Getenv("CHAOS_TABLE")
	return func(t *testing.T, c *Campaign) {
		mu.Lock()
		defer mu.Unlock()
		if dir == "" {
			return
		}
		if err := c.Counts().Save(dir, table, began); err != nil {
			t.Error(err)
		}
	}
}

// TestCampaign carries out many plans: half of them of a seed that is always the same, half of
// one that is new each time; or all of CHAOS_SEED. CHAOS_SCENE takes those of one scene alone. With
// CHAOS_SHORT nobody is patient.
func TestCampaign(t *testing.T) {
	harness.Need(t)
	c := NewCampaign()
	keep := keeper()
	runs := int(number(t, "CHAOS_RUNS", 100))
	type part struct {
		seed     uint64
		from, to int
	}
	parts := []part{{fixed, 0, runs / 2}, {rand.Uint64() % 1e9, runs / 2, runs}}
	if seed := number(t, "CHAOS_SEED", 0); seed != 0 {
		parts = []part{{seed, 0, runs}}
		if only := os.Getenv("CHAOS_ONLY"); only != "" {
			n := int(number(t, "CHAOS_ONLY", 0))
			parts[0].from, parts[0].to = n, n+1
		}
	}
	t.Cleanup(func() {
		today := time.Now().UTC().Format(time.DateOnly)
		t.Log("\n" + c.Counts().Table(today, today))
	})
	for _, p := range parts {
		fmt.Fprintf(os.Stderr, "chaos: seed %d, coordinations %d to %d\n", p.seed, p.from, p.to-1)
		for n := p.from; n < p.to; n++ {
			if scene := os.Getenv("CHAOS_SCENE"); scene != "" && scene != NewPlan(p.seed, n).Scene {
				continue
			}
			t.Run(fmt.Sprintf("%d/%d", p.seed, n), func(t *testing.T) {
				t.Parallel()
				s := harness.NewFor(t)
				plan := NewPlan(p.seed, n)
				plan.Patient = plan.Patient && os.Getenv("CHAOS_SHORT") == ""
				v := c.Coordinate(s, plan, s.Binary())
				c.Note(v)
				keep(t, c)
				if len(v.Found) > 0 {
					t.Error("\n" + v.Story())
				}
				if os.Getenv("CHAOS_STORY") != "" {
					t.Log("\n" + v.Story())
				}
			})
		}
	}
}
