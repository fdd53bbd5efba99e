package cli

import (
	"strings"
	"testing"
)

// A command of the user's is a program and its arguments, or an error without any part of it.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{
		"", " ", "psql -c x", `["psql", "x"]`, `["psql"`, `["psql", 1]`, `[]`, `[""]`, `[ "a" ]`, "[ -f x ]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args, err := commandLine(s)
		if (err == nil) != (len(args) > 0 && args[0] != "") {
			t.Errorf("%q: got %q, %v", s, args, err)
		}
	})
}

// Whatever is given as flags, the program ends by itself, with a code of its own and without a crash.
func FuzzFlags(f *testing.F) {
	for _, s := range []string{
		"disarm\x00--pvc\x00data", "verdict\x00--step\x00quiesce=f", "record\x00f\x00--\x00true",
		"fire-trigger\x00--trigger\x00@f", "run\x00--timeout\x00-1s", "await-pods-ended\x00-l\x00a in (b)",
		"help\x00exit-codes", "--version", "\x00", "await-waiting\x00--run-id=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		noEnv(t)
		if err := takes(append([]string{"copytrigger"}, strings.Split(s, "\x00")...)); err != nil {
			if code := exitCode(err); code != 64 && code != 1 {
				t.Errorf("%q: exit code %d, %v", s, code, err)
			}
		}
	})
}

// What is logged is one line, whatever is in it.
func FuzzOneLine(f *testing.F) {
	f.Add("a\nb\r\x1b[2J\u009b")
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		newLog(&b, "text").Info(s)
		if got := b.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
			t.Errorf("%q is logged as %q", s, got)
		}
	})
}
