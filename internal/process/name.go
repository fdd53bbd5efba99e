package process

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
)

// Name returns the program of a command for messages. What does not look like one may be a whole
// command line in one word, with a password in it.
func Name(args []string) string {
	if len(args) == 0 || args[0] == "" || strings.TrimFunc(args[0], plain) != "" {
		return "the command"
	}
	return args[0]
}

// plain reports whether a character has no meaning of its own to a shell.
func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./+", r)
}

// why returns what keeps a program from running, without its name.
func why(err error) error {
	var (
		lookup *exec.Error
		path   *fs.PathError
	)
	switch {
	case errors.As(err, &lookup):
		return why(lookup.Err)
	case errors.As(err, &path):
		return why(path.Err)
	}
	return err
}
