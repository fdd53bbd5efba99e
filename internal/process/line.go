package process

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Shell is what a command line is for, with -c.
const Shell = "/bin/sh"

// FirstProgram returns the program that a line for the shell begins with, and without which the line
// certainly fails. It is "" where that cannot be known: a line that begins with anything but a plain
// name or path, or that goes on whatever becomes of its first command.
func FirstProgram(args []string) string {
	if len(args) != 3 || args[0] != Shell || args[1] != "-c" {
		return ""
	}
	line, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(args[2]), "")
	if err != nil || len(line.Stmts) != 1 || substitutes(line) {
		return ""
	}
	return firstOf(line.Stmts[0])
}

// substitutes reports whether a command runs within the words of another.
func substitutes(line *syntax.File) (found bool) {
	syntax.Walk(line, func(n syntax.Node) bool {
		_, is := n.(*syntax.CmdSubst)
		found = found || is
		return !found
	})
	return found
}

func firstOf(s *syntax.Stmt) string {
	if s.Background || s.Negated {
		return ""
	}
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd:
		if c.Op == syntax.AndStmt {
			return firstOf(c.X)
		}
	case *syntax.CallExpr:
		if len(c.Assigns) > 0 {
			return ""
		}
		word := c.Args[0].Lit()
		if !strings.HasPrefix(word, "-") && strings.TrimLeftFunc(word, plain) == "" {
			return word
		}
	}
	return ""
}

// asks has a shell say, by the exit code unknown, that it could not run $1. Some find a path that is not
// executable, too.
const asks = `command -v command >/dev/null 2>&1 || exit 0
command -v "$1" >/dev/null 2>&1 || exit 99
case $1 in */*) command -v [ >/dev/null 2>&1 || exit 0; [ -x "$1" ] && [ ! -d "$1" ] || exit 99 ;; esac`
