package handshake

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"exceeded quota: q":            "exceeded quota: q",
		" two\nlines\r\n\tand a tab ":  "two lines and a tab",
		"red \x1b[31merror\x1b[0m":     `red \x1b[31merror\x1b[0m`,
		"bell\a, \u202eright to left":  `bell\a, \u202eright to left`,
		"line\u2028separator":          "line separator",
		"not \xff UTF-8":               "not \uFFFD UTF-8",
		"kein Platz für „Daten“":       "kein Platz für „Daten“",
		strings.Repeat("x", lineLen):   strings.Repeat("x", lineLen),
		strings.Repeat("x", lineLen+1): strings.Repeat("x", lineLen-3) + "…",
		strings.Repeat("ü", lineLen):   strings.Repeat("ü", (lineLen-3)/2) + "…",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "a\nb", "\x1b[2J", "\xff\xfe", "\u202e", strings.Repeat("é ", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Line(text)
		if len(got) > lineLen || !utf8.ValidString(got) || got != strings.TrimSpace(got) {
			t.Errorf("%q: got %q", text, got)
		}
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Errorf("%q: got %q, with %q", text, got, r)
			}
		}
		if again := Line(got); again != got {
			t.Errorf("%q: %q is made %q", text, got, again)
		}
	})
}
