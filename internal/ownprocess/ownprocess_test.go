//go:build linux

package ownprocess

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// What a test changes in its own process stays there.
func TestHere(t *testing.T) {
	before := umask()
	if Here(t) {
		syscall.Umask(before ^ 0o100)
		if os.Getenv(variable) == "" {
			t.Error("it is the process of all tests")
		}
		return
	}
	if got := umask(); got != before {
		t.Errorf("got umask %o, want %o", got, before)
	}
}

func umask() int {
	mask := syscall.Umask(0)
	syscall.Umask(mask)
	return mask
}

// What a test comes to there is told.
func TestRun(t *testing.T) {
	for name, want := range map[string]struct{ skipped, err string }{
		"TestGood":   {},
		"TestBad":    {err: "it is bad"},
		"TestNoneOf": {err: "there is no such test"},
		"TestOdd":    {skipped: "it is odd"},
	} {
		skipped, err := run(name)
		if (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%s: got %v, want %q", name, err, want.err)
		}
		if (skipped == "") != (want.skipped == "") || !strings.Contains(skipped, want.skipped) {
			t.Errorf("%s: skipped with %q, want %q", name, skipped, want.skipped)
		}
	}
}

// TestGood, TestBad and TestOdd are not tests but what TestRun runs.
func TestGood(t *testing.T) { onlyRun(t) }
func TestBad(t *testing.T)  { onlyRun(t); t.Error("it is bad") }
func TestOdd(t *testing.T)  { onlyRun(t); t.Skip("it is odd") }

func onlyRun(t *testing.T) {
	t.Helper()
	if os.Getenv(variable) != t.Name() {
		t.Skip("runs as a part of TestRun")
	}
}
