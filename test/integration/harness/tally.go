package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

// tallyEnv names a file in which the suites of one run add up what they have counted.
const tallyEnv = "COPYTRIGGER_TALLY"

// tally counts the tests that need a cluster: a run in which most are skipped must not look
// like one in which they have passed.
type tally struct {
	mu    sync.Mutex
	tests map[string]string // why each was skipped; "" if it was not
}

func (c *tally) ran(test string) { c.note(test, "") }

// skip counts a test that may have begun already.
func (c *tally) skip(test, reason string) { c.note(test, reason) }

func (c *tally) note(test, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests == nil {
		c.tests = map[string]string{}
	}
	if c.tests[test] == "" {
		c.tests[test] = reason
	}
}

// counts are what is told of a run, of one suite or several.
type counts struct {
	Suites  []string
	Ran     int
	Skipped map[string]int // by reason
}

func (c *tally) counts(suite string) counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := counts{Suites: []string{suite}, Skipped: map[string]int{}}
	for _, reason := range c.tests {
		if reason == "" {
			sum.Ran++
		} else {
			sum.Skipped[reason]++
		}
	}
	return sum
}

// upon adds what the suites before have left in a file, and leaves the sum there.
func (c counts) upon(file string) (counts, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	var before counts
	if len(text) > 0 {
		if err := json.Unmarshal(text, &before); err != nil {
			return c, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	c.Suites, c.Ran = append(before.Suites, c.Suites...), c.Ran+before.Ran
	for reason, n := range before.Skipped {
		c.Skipped[reason] += n
	}
	if text, err = json.Marshal(c); err != nil {
		return c, err
	}
	return c, os.WriteFile(file, text, 0o644)
}

// String is one line: how many ran, how many were skipped, and by reason why.
func (c counts) String() string {
	var reasons []string
	skipped := 0
	for reason, n := range c.Skipped {
		reasons = append(reasons, reason)
		skipped += n
	}
	// The most frequent first.
	slices.SortFunc(reasons, func(a, b string) int {
		if d := c.Skipped[b] - c.Skipped[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d tests ran, %d were skipped", strings.Join(c.Suites, ", "), c.Ran, skipped)
	for i, reason := range reasons {
		fmt.Fprintf(&b, "%s %d × %s", map[bool]string{true: ":", false: ";"}[i == 0], c.Skipped[reason], reason)
	}
	return b.String()
}
