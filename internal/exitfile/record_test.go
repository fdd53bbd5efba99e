//go:build linux

package exitfile

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/internal/ownprocess"
)

// names are the files in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestRecord(t *testing.T) {
	for _, code := range []int{0, 3, 42, 255} {
		file := filepath.Join(t.TempDir(), "quiesce")
		if err := os.WriteFile(file, []byte("0"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Record(file)
		if err != nil {
			t.Fatal(err)
		}
		// Who is killed now has not ended, whatever the one before did.
		if got := Read(file); got.Ended {
			t.Errorf("before the end: got %s", got)
		}
		if err := r.Ended(code); err != nil {
			t.Fatal(err)
		}
		if got := Read(file); !got.Ended || got.Code != code || got.At.IsZero() {
			t.Errorf("got %s, want %d", got, code)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o644 {
			t.Errorf("got %v, %v, want a file that everybody may read", info.Mode(), err)
		}
		if got := names(t, filepath.Dir(file)); len(got) != 1 {
			t.Errorf("left %q", got)
		}
	}
}

// What cannot be recorded is known before anything runs.
func TestRecordNowhere(t *testing.T) {
	dir := t.TempDir()
	for says, file := range map[string]string{
		"no such file": filepath.Join(dir, "none", "quiesce"),
		"not empty":    filepath.Dir(dir), // a directory that has something in it
	} {
		if _, err := Record(file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", file, err, says)
		}
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left %q", got)
	}
}

// A disk that fills up while the command runs does no harm: the room is taken before.
func TestRecordOnFullDisk(t *testing.T) {
	if !ownprocess.Here(t) { // what the testing package writes would end there, too
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // so that the write fails, and the process goes on
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	room := func(n uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(len(widest)) {
		dir := t.TempDir()
		room(n)
		if _, err := Record(filepath.Join(dir, "quiesce")); err == nil {
			t.Errorf("%d bytes left: no error", n)
		}
		if got := names(t, dir); len(got) > 0 {
			t.Errorf("%d bytes left: left %q", n, got)
		}
	}
	room(uint64(len(widest)))
	r, err := Record(filepath.Join(t.TempDir(), "quiesce"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Ended(128); err != nil {
		t.Error(err)
	}
}

// A directory that goes away meanwhile is told; an exit code is not lost in silence.
func TestRecordLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := Record(filepath.Join(dir, "quiesce"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Ended(7); err == nil || !strings.Contains(err.Error(), "exit code 7 is lost") {
		t.Errorf("got %v", err)
	}
}
