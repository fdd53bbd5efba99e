//go:build unix

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func inShell(line string) []string { return []string{Shell, "-c", line} }

// A line without whose first program it certainly fails has one, and no other line has.
func TestFirstProgram(t *testing.T) {
	for line, want := range map[string]string{
		"./x":                                "./x",
		"./x --flag 'a; b' >log 2>&1":        "./x",
		"psql -c \"SELECT 1; SELECT '2'\"":   "psql",
		"timeout 60 psql -U \"${USER}\" $DB": "timeout",
		"a && b":                             "a",
		"a\\;b":                              "",
		"a \\; b":                            "a",
		"x # don't; y":                       "x",
		"2>log ./x":                          "./x",
		"x ${Y:-\"; z\"}":                    "x",
		"exec ./x":                           "exec",
		"if true; then ./x; fi":              "",
		"1.5+x_y-z":                          "1.5+x_y-z",

		"FOO=1 ./x":       "",
		"'./x'":           "",
		"\"./x\"":         "",
		"./x'y'":          "",
		"./x$Y":           "",
		"$X":              "",
		"~/x":             "",
		"./*":             "",
		"{ ./x; }":        "",
		"(./x)":           "",
		"! ./x":           "",
		"# x":             "",
		"-x":              "",
		"x() { ./y; }":    "",
		"x () { ./y; }":   "",
		"x || y":          "",
		"x && y || z":     "",
		"x; y":            "",
		"x;y":             "",
		"x\ny":            "",
		"x &":             "",
		"x | y":           "",
		"x $(y)":          "",
		"x `y`":           "",
		"x \"$(y)\"":      "",
		"x 'y":            "",
		"x \"y":           "",
		"x \"a\\\"\" ; y": "",
		"x \"a\\\" ; y\"": "x",
		"":                "",
	} {
		if got := FirstProgram(inShell(line)); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	for _, args := range [][]string{nil, {"./x"}, {"./x", "-c", "y"}, {Shell, "x", "y"}, {Shell, "-c"}} {
		if got := FirstProgram(args); got != "" {
			t.Errorf("%q: got %q", args, got)
		}
	}
}

// The shell itself says what it cannot run.
func TestCanRunLine(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, mode := range map[string]os.FileMode{"there": 0o755, "not-executable": 0o644} {
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("directory", 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"./there":                       "",
		filepath.Join(dir, "there"):     "",
		"./there && ./none":             "",
		"cat":                           "",
		"exit 0":                        "",
		"export X":                      "",
		"if":                            "",
		"FOO=1 ./none":                  "",
		`"./none"`:                      "",
		"if ./none; then exit 1; fi":    "",
		"none() { ./there; }; none":     "",
		"no-such-program || ./there":    "",
		"no-such-program; ./there":      "",
		"./none":                        "./none: no such file or directory",
		"./none && ./there":             "./none: no such file or directory",
		"./not-executable x":            "./not-executable: permission denied",
		"./directory":                   "./directory: is a directory",
		"no-such-program --flag 'x; y'": "no-such-program: executable file not found in $PATH",
	} {
		switch err := CanRunLine(inShell(line), os.Environ()); {
		case err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}

// What the shell knows counts, not what this program finds: the PATH of the line may be another.
func TestCanRunLineAsksTheShell(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "only-there"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := CanRunLine(inShell("only-there"), []string{"PATH=" + dir}); err != nil {
		t.Error(err)
	}
	if err := CanRunLine(inShell("cat"), []string{"PATH=" + dir}); err == nil ||
		err.Error() != "cat: the shell does not find it" {
		t.Errorf("got %v", err)
	}
}
