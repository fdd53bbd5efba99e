package recipes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// postgresPrograms is where Debian hides the server's programs.
func postgresPrograms() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return ""
	}
	return slices.Max(found)
}

// postgres is a PostgreSQL on a data directory.
type postgres struct {
	*process
	socket string // its directory
}

func (p *postgres) client() []string {
	return []string{"psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", p.socket, "-U", "postgres"}
}

func (p *postgres) insert(n int64) string {
	return fmt.Sprintf(
		"INSERT INTO ledger VALUES (%d, repeat('.', 300)) "+
			"ON CONFLICT (entry) DO UPDATE SET entry = excluded.entry RETURNING entry;",
		n,
	)
}

func (p *postgres) query(b *bench, sql string) string {
	b.Helper()
	return b.run(append(p.client(), "-c", sql)...)
}

func (p *postgres) numbers(b *bench) (count, highest int64) {
	b.Helper()
	return b.two(p.query(b, "SELECT count(*), coalesce(max(entry), 0) FROM ledger"))
}

// postgres starts a server, and returns when it answers. It writes no core file and never
// syncs: nobody pulls a plug here, and a copy reads what was written.
func (b *bench) postgres(data string, settings ...string) *postgres {
	b.Helper()
	p, err := b.tryPostgres(data, settings...)
	b.Must(err)
	return p
}

// tryPostgres is postgres with data from which no server may start.
func (b *bench) tryPostgres(data string, settings ...string) (*postgres, error) {
	b.Helper()
	p := &postgres{socket: b.folder("pg")}
	args := []string{"postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=" + p.socket,
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "min_wal_size=2MB", "-c", "max_wal_size=8MB"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	p.process = b.background(filepath.Base(p.socket), syscall.SIGQUIT, command(args...))
	var ended error
	b.Eventually("PostgreSQL to answer", func() bool {
		select {
		case <-p.ended:
			ended = errors.New("PostgreSQL has ended")
			return true
		default:
		}
		_, err := output(b.Ctx, append(p.client(), "-c", "SELECT 1")...)
		return err == nil
	})
	return p, ended
}

// newData makes the data of a server on the claim's volume.
func (b *bench) newData() string {
	b.Helper()
	from := b.template("postgresql", func(dir string) {
		b.run(
			"initdb",
			"-D",
			dir,
			"-U",
			"postgres",
			"-A",
			"trust",
			"--no-sync",
			"--locale=C",
			"--encoding=UTF8",
			"--wal-segsize=1",
		)
	})
	data := filepath.Join(b.volume, "pgdata")
	b.run("cp", "-a", from, data)
	b.Must(os.Chmod(data, 0o700))
	return data
}

// postgresOnVolume is one with a ledger on the claim's volume, and a user with the rights
// that the recipes ask for.
func (b *bench) postgresOnVolume(settings ...string) *postgres {
	b.Helper()
	p := b.postgres(b.newData(), settings...)
	p.query(b, `CREATE TABLE ledger (entry bigint PRIMARY KEY, filler text);
		CREATE ROLE backup LOGIN; GRANT pg_checkpoint TO backup;
		GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO backup;`)
	return p
}

// restored starts a server on a copy of VolSync's copy.
func (b *bench) restoredPostgres(copied string, settings ...string) *postgres {
	b.Helper()
	return b.postgres(b.unowned(filepath.Join(copied, "pgdata")), settings...)
}

// unowned is data that no server has: the number of one means nothing elsewhere, and would be that
// of a living process here.
func (b *bench) unowned(data string) string {
	b.Helper()
	b.Must(os.RemoveAll(filepath.Join(data, "postmaster.pid")))
	return data
}

func postgresSecret(p *postgres) map[string]string {
	return map[string]string{"PGHOST": p.socket, "PGPASSWORD": ""}
}

// With PostgreSQL on one volume and a snapshot of one moment no lock is needed: the copy
// has what was acknowledged until then.
func TestPostgresCheckpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "bash")
	p := b.postgresOnVolume()
	l := b.ledger(p)
	r := b.recipe("postgresql-checkpoint", postgresSecret(p))
	before := p.query(b, "SELECT checkpoint_lsn FROM pg_control_checkpoint()")
	run, held := r.begin()
	if after := p.query(b, "SELECT checkpoint_lsn FROM pg_control_checkpoint()"); after == before {
		t.Error("no checkpoint was made")
	}
	l.awaitWrites(20) // nothing is blocked
	var least, most int64
	b.stopped(p.process, func() {
		least = l.last()
		held.Release()
		b.awaitCut()
		most = l.last() + 1 // one may be committed, and not acknowledged yet
	})
	result := run.End().Ends(harness.OK)
	l.awaitWrites(1)
	count, highest := b.restoredPostgres(b.snapshot()).numbers(b)
	b.Must(check(count, highest, least, most))
	t.Logf(
		"%d writes in the copy, %d acknowledged before the cut; frozen %s s",
		highest,
		least,
		result.Value("freeze-seconds"),
	)
}

// archiving is what a server needs whose base backups are to be restored.
func (b *bench) archiving() (folder string, settings []string) {
	b.Helper()
	folder = b.folder("archive")
	return folder, []string{"archive_mode=on", "archive_command=test ! -e " + folder + "/%f && cp %p " + folder + "/%f"}
}

// inBackupMode are the sessions of the recipe.
func (p *postgres) inBackupMode(b *bench) string {
	b.Helper()
	return p.query(b, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'backup'")
}

// In backup mode the copy need not even be of one moment: here it is made file by file
// while the application writes.
func TestPostgresBackup(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "bash")
	archive, settings := b.archiving()
	p := b.postgresOnVolume(settings...)
	l := b.ledger(p)
	r := b.recipe("postgresql-backup", postgresSecret(p))
	run, held := r.begin()
	run.Says("backup mode since")
	least := l.last()
	l.awaitWrites(20) // nothing is blocked
	held.Release()
	result := run.End().Ends(harness.OK)
	most := l.last() + 1
	l.awaitWrites(1)
	copied := b.snapshot()
	label, err := os.ReadFile(filepath.Join(r.volumes["labels"], r.uid+".backup_label"))
	b.Must(err)
	if !strings.Contains(string(label), "LABEL: "+r.uid) {
		t.Fatalf("the label:\n%s", label)
	}
	b.put(filepath.Join(copied, "pgdata", "backup_label"), string(label))
	b.put(filepath.Join(copied, "pgdata", "recovery.signal"), "")
	restored := b.restoredPostgres(copied, "archive_mode=off", "restore_command=cp "+archive+"/%f %p",
		"recovery_target=immediate", "recovery_target_action=promote")
	count, highest := restored.numbers(b)
	b.Must(check(count, highest, least, most))
	t.Logf("%d writes in the copy, %d acknowledged before backup mode began, %d when it had ended; it lasted %s s",
		highest, least, most-1, result.Value("freeze-seconds"))
}

func (b *bench) put(path, text string) {
	b.Helper()
	b.Must(os.WriteFile(path, []byte(text), 0o600))
	b.own(path)
}

// Whatever becomes of copytrigger, backup mode ends.
func TestPostgresBackupKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "bash")
	_, settings := b.archiving()
	p := b.postgresOnVolume(settings...)
	l := b.ledger(p)
	r := b.recipe("postgresql-backup", postgresSecret(p))
	run, _ := r.begin("--max-freeze=" + freezeLimit.String())
	lost := b.lose(run)
	b.Eventually("the server to end backup mode", func() bool { return p.inBackupMode(b) == "0" })
	lost.within(freezeLimit, "backup mode ended")
	l.awaitWrites(1)
}

// A session that is lost is noticed at the end.
func TestPostgresBackupLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "bash")
	_, settings := b.archiving()
	p := b.postgresOnVolume(settings...)
	l := b.ledger(p)
	r := b.recipe("postgresql-backup", postgresSecret(p))
	run, held := r.begin()
	p.query(b, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'backup'")
	held.Release()
	run.End().Ends(harness.Unverified).Says("backup mode was lost")
	l.awaitWrites(1)
}

// Without its log a base backup is of no use.
func TestPostgresBackupWithoutArchive(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", "bash")
	p := b.postgresOnVolume()
	r := b.recipe("postgresql-backup", postgresSecret(p))
	source := harness.Source{Name: backup}
	b.ReplicateAndWait(source)
	r.start().End().Ends(harness.Refused).Says("archive_mode is off")
	b.Copied(0)
}
