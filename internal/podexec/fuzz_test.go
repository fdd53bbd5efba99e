package podexec

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// Only the line with the token says how a command has ended, and only once; everything else that a
// command says is passed on, and none of it can be taken for an end.
func FuzzEnding(f *testing.F) {
	for _, s := range []string{
		"", "0", "a\n\nT 0\n", "\nT 137\n", "\nT none\n", "T +0\n", "T 00\n", "T -0\n", "T 256\n", "T 0 \n", "\n\nT 0\r\n",
		"x T 0\n", "T 1\nT 0\n", "T 0", strings.Repeat("x", longestLine) + "\nT 0\n",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, piece int) {
		var out bytes.Buffer
		var endings []ending
		o := newOutput(&out, "pod", nil)
		w := o.stdout("T", func(e ending) { endings = append(endings, e) })
		for piece = max(1, piece); len(s) > 0; {
			n := min(piece, len(s))
			if wrote, err := w.Write([]byte(s[:n])); wrote != n || err != nil {
				t.Fatalf("%d of %d bytes are taken, %v", wrote, n, err)
			}
			s = s[n:]
		}
		o.flush()
		if len(endings) > 1 {
			t.Errorf("%q ends %d times", s, len(endings))
		}
		if lines := out.String(); lines != "" && !strings.HasPrefix(lines, "[pod] ") || strings.ContainsAny(lines, "\x1b\r") {
			t.Errorf("it is passed on as %q", lines)
		}
	})
}

// An end is a decimal exit code, as a shell writes it, or the word none.
func FuzzReadEnding(f *testing.F) {
	for _, s := range []string{"", "0", "none", "127", "-1", "+0", "00", "256", "1e1", " 0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, is := readEnding(s)
		if is && s != "none" && (strconv.Itoa(e.code) != s || e.code < 0 || e.code > 255) {
			t.Errorf("%q is read as %+v", s, e)
		}
		if !is && e.code == 0 && s == "0" {
			t.Error("0 is no end")
		}
	})
}
