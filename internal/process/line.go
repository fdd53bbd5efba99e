package process

import "strings"

// Shell is what a command line is for, with -c.
const Shell = "/bin/sh"

// FirstProgram returns the program that a line for the shell begins with, and without which the line
// certainly fails. It is "" where that cannot be known: a line that begins with anything but a plain
// name or path, or that goes on whatever becomes of its first command.
func FirstProgram(args []string) string {
	if len(args) != 3 || args[0] != Shell || args[1] != "-c" {
		return ""
	}
	line := args[2]
	rest := strings.TrimLeftFunc(line, plain)
	word, next := line[:len(line)-len(rest)], strings.TrimLeft(rest, " \t")
	switch {
	case word == "" || word[0] == '-' || len(rest) > 0 && len(rest) == len(next), strings.HasPrefix(next, "("):
		return "" // an option, a part of a word, or the name of a function
	}
	for rest != "" {
		n := piece(rest)
		if n == 0 {
			return ""
		}
		rest = rest[n:]
	}
	return word
}

// piece is the length of what a line goes on with; 0 for what may run another command although the one
// before has failed, and for what would have to be read as the shell does.
func piece(line string) int {
	switch c := line[0]; {
	case strings.HasPrefix(line, "&&"), strings.HasPrefix(line, ">&"), strings.HasPrefix(line, "<&"):
		return 2
	case c == '\'':
		inside, _, closed := strings.Cut(line[1:], "'")
		if !closed {
			return 0
		}
		return len(inside) + 2
	case c == '"':
		return doubleQuoted(line)
	case strings.IndexByte("|&;()#\n", c) >= 0:
		return 0
	}
	return character(line)
}

func doubleQuoted(line string) int {
	for n := 1; n < len(line); {
		if line[n] == '"' {
			return n + 1
		}
		c := character(line[n:])
		if c == 0 {
			return 0
		}
		n += c
	}
	return 0
}

// character is the length of a character, or of ${NAME}; 0 for any other expansion that has its own
// quotes or commands.
func character(line string) int {
	switch {
	case line[0] == '\\':
		return min(2, len(line))
	case line[0] == '`', strings.HasPrefix(line, "$("):
		return 0
	case strings.HasPrefix(line, "${"):
		end := strings.IndexAny(line[2:], "}\"'`$\\")
		if end < 0 || line[2+end] != '}' {
			return 0
		}
		return end + 3
	}
	return 1
}

// asks has a shell say, by the exit code unknown, that it could not run $1. Some find a path that is not
// executable, too.
const asks = `command -v command >/dev/null 2>&1 || exit 0
command -v "$1" >/dev/null 2>&1 || exit 99
case $1 in */*) command -v [ >/dev/null 2>&1 || exit 0; [ -x "$1" ] && [ ! -d "$1" ] || exit 99 ;; esac`
