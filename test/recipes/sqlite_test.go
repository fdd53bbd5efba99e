package recipes

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// sqlite is a database in a file.
type sqlite struct{ file string }

func (s *sqlite) client() []string {
	return []string{"sqlite3", "-batch", "-bail", "-cmd", ".timeout 600000", s.file}
}

func (s *sqlite) insert(n int64) string {
	return fmt.Sprintf("INSERT OR REPLACE INTO ledger VALUES (%d, printf('%%.300c', '.')); SELECT %[1]d;", n)
}

func (s *sqlite) numbers(b *bench) (count, highest int64) {
	b.Helper()
	if said := b.run("sqlite3", s.file, "PRAGMA integrity_check"); said != "ok" {
		b.Fatalf("the copy: %s", said)
	}
	return b.two(b.run("sqlite3", s.file, "SELECT count(*), coalesce(max(entry), 0) FROM ledger"))
}

func (s *sqlite) secret() map[string]string { return nil }

// blocked asks for the lock itself: a ledger that waits for it tries again and again.
func (s *sqlite) blocked(b *bench) bool {
	_, err := output(b.Ctx, "sqlite3", s.file, "BEGIN IMMEDIATE; ROLLBACK;")
	return err != nil && strings.Contains(err.Error(), "locked")
}

// free ends the client that has the lock.
func (s *sqlite) free(b *bench, run *harness.Process) {
	b.Helper()
	for _, pid := range tree(run.Pid()) {
		if nameOf(pid) == "sqlite3" {
			b.Must(syscall.Kill(pid, syscall.SIGKILL))
			return
		}
	}
	b.Fatalf("nobody has the lock")
}

func (s *sqlite) still(_ *bench, do func()) { do() }

func (s *sqlite) restored(_ *bench, dir string) database {
	return &sqlite{filepath.Join(dir, filepath.Base(s.file))}
}

func startSQLite(b *bench) subject {
	b.Helper()
	s := &sqlite{filepath.Join(b.volume, "app.db")}
	b.run("sqlite3", s.file, "PRAGMA journal_mode = WAL; CREATE TABLE ledger (entry INTEGER PRIMARY KEY, filler TEXT);")
	return s
}
