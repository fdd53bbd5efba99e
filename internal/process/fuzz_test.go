//go:build unix

package process

import (
	"fmt"
	"strings"
	"testing"
)

// A program's name may have anything in it: state and group are read as they are.
func FuzzParseStat(f *testing.F) {
	for _, s := range []string{"", "bash", "a) Z 1 2", "((", "x y\nz", ") "} {
		f.Add(s, "S", 7)
	}
	f.Fuzz(func(t *testing.T, name, state string, group int) {
		_, _ = parseStat([]byte(name))
		if len(strings.Fields(state)) != 1 || strings.TrimSpace(state) != state || strings.Contains(state, ")") {
			return
		}
		gotState, gotGroup := parseStat(fmt.Appendf(nil, "1 (%s) %s 2 %d 4 5\n", name, state, group))
		if gotState != state || gotGroup != group {
			t.Errorf("%q, %q, %d: got %q, %d", name, state, group, gotState, gotGroup)
		}
	})
}
