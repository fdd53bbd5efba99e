package handshake

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// lineLen is the length in bytes to which other people's text is cut in a message.
const lineLen = 300

// Line returns somebody else's text (a condition's message, a storage's error, a mover's log) as
// part of one line of a message: line breaks and other control characters are spaces or quoted,
// so that it cannot look like a line of our own, and what is too long is cut.
func Line(text string) string {
	var b strings.Builder
	for i, word := range strings.Fields(strings.ToValidUTF8(text, "\uFFFD")) {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, r := range word {
			if strconv.IsPrint(r) {
				b.WriteRune(r)
			} else {
				q := strconv.QuoteRuneToASCII(r)
				b.WriteString(q[1 : len(q)-1])
			}
		}
		if b.Len() > lineLen {
			break
		}
	}
	s := b.String()
	if len(s) <= lineLen {
		return s
	}
	end := lineLen - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
