package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// No message has a part of a command line that may be a command of the user's, for there may be a
// password in it: psql postgres://me:secret@db, mysql -psecret. It is told by its place.

// argument names the nth argument in a message.
func argument(n int, text string) string {
	name, _, _ := strings.Cut(text, "=")
	if strings.HasPrefix(text, "--") || len(text) == 2 && text[0] == '-' {
		return fmt.Sprintf("argument %d (%s)", n, name)
	}
	return fmt.Sprintf("argument %d", n)
}

// notStrings is the error of a text that is no JSON array of strings. It says where.
func notStrings(err error) error {
	var (
		syntax *json.SyntaxError
		typed  *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not a JSON array of strings: see its byte %d", syntax.Offset)
	case errors.As(err, &typed):
		return fmt.Errorf("it is not a JSON array of strings: see its byte %d", typed.Offset)
	}
	return errors.New("it is not a JSON array of strings")
}

// oneLine returns a text whose control characters are escaped: what a server or a driver says must
// not make lines of its own, or move a terminal's cursor.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range strings.TrimRight(text, "\n") {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
