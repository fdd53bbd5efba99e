package exitfile

import (
	"strconv"
	"strings"
	"testing"
)

// A file says an exit code, or what is wrong with it: nothing else is taken for a good end.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "0", " 0\n", "137", "-1", "256", "00", "+0", "0x0", "killed", "0 0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, doubt := parse(s)
		if doubt == "" && (strconv.Itoa(code) != strings.TrimSpace(s) || code < 0 || code > 255) {
			t.Errorf("%q is read as %d", s, code)
		}
	})
}
