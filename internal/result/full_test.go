//go:build linux

package result

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/internal/ownprocess"
)

// full makes every file of this process end after n bytes, as on a full disk. A log of what the
// tests read, or their coverage, would end there, too: only for a process of the test's own.
func full(t *testing.T, n uint64) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) // so that the write fails, and the process goes on
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
}

// An empty file can be made on a full disk; that is not enough.
func TestCheckDirOnFullDisk(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	dir := t.TempDir()
	for _, n := range []uint64{0, 1 << 10, 4 << 10} {
		full(t, n)
		if err := CheckDir(dir); err == nil || !strings.HasPrefix(err.Error(), "results directory: ") {
			t.Errorf("%d bytes left: got %v, want an error", n, err)
		}
		if got := names(t, dir); len(got) > 0 {
			t.Errorf("%d bytes left: left %q", n, got)
		}
	}
}

func TestWriteOnFullDisk(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	dir := t.TempDir()
	full(t, 100)
	v, out := some(), strings.Builder{}
	v.Set("reason", strings.Repeat("long ", 100))
	err := v.Write(&out, dir)
	if err == nil || !strings.Contains(err.Error(), "writing result reason") {
		t.Errorf("got %v, want one that names the result", err)
	}
	for _, name := range names(t, dir) {
		if strings.HasPrefix(name, ".") || name == "reason" {
			t.Errorf("left %s", name)
		}
	}
	if out.Len() > 0 {
		t.Errorf("stdout has %q before the files are there", out.String())
	}
}

// Two steps may write to one directory, and neither user's umask matters.
func TestWriteFilesOfItsOwn(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	syscall.Umask(0o077)
	dir := t.TempDir()
	for _, taken := range []string{".outcome.tmp", ".copytrigger-1"} {
		if err := os.Mkdir(filepath.Join(dir, taken), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := some().Write(io.Discard, dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "outcome"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("got %v, %v, want mode 0644", info.Mode(), err)
	}
}
