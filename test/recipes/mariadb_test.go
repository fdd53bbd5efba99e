package recipes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// mariadb is a MariaDB on a data directory. It stands in for MySQL, too, which Debian does
// not have.
type mariadb struct {
	*process
	socket string
}

func (m *mariadb) client() []string {
	return []string{
		"mariadb",
		"--no-defaults",
		"--socket=" + m.socket,
		"--user=root",
		"--batch",
		"--unbuffered",
		"--skip-column-names",
		"app",
	}
}

func (m *mariadb) insert(n int64) string {
	return fmt.Sprintf(
		"INSERT INTO ledger VALUES (%d, REPEAT('.', 300)) ON DUPLICATE KEY UPDATE entry = entry; SELECT %[1]d;",
		n,
	)
}

func (m *mariadb) query(b *bench, sql string) string {
	b.Helper()
	return b.run(append(m.client(), "--execute="+sql)...)
}

func (m *mariadb) numbers(b *bench) (count, highest int64) {
	b.Helper()
	return b.two(m.query(b, "SELECT COUNT(*), COALESCE(MAX(entry), 0) FROM ledger"))
}

func (m *mariadb) secret() map[string]string {
	return map[string]string{"client.cnf": "[client]\nsocket = " + m.socket + "\nuser = backup\npassword = \"secret\"\n"}
}

func (m *mariadb) blocked(b *bench) bool {
	b.Helper()
	return m.query(b, "SELECT COUNT(*) FROM information_schema.processlist "+
		"WHERE state LIKE 'Waiting for%' AND info LIKE 'INSERT%'") == "1"
}

func (m *mariadb) free(b *bench, _ *harness.Process) {
	b.Helper()
	m.query(b, "KILL "+m.query(b, "SELECT id FROM information_schema.processlist WHERE user = 'backup'"))
}

// InnoDB goes on writing in the background, lock or no lock.
func (m *mariadb) still(b *bench, do func()) { b.Helper(); b.stopped(m.process, do) }

func (m *mariadb) restored(b *bench, dir string) database {
	b.Helper()
	return b.mariadb(filepath.Join(dir, "mysql"))
}

func (b *bench) mariadb(data string) *mariadb {
	b.Helper()
	dir := b.folder("my")
	m := &mariadb{socket: filepath.Join(dir, "s")}
	m.process = b.background(
		filepath.Base(dir),
		syscall.SIGTERM,
		command(mariadbd(data, "--socket="+m.socket, "--pid-file="+dir+"/pid")...),
	)
	b.Eventually("MariaDB to answer", func() bool {
		select {
		case <-m.ended:
			b.Fatalf("MariaDB has ended")
		default:
		}
		_, err := output(b.Ctx, append(m.client(), "--execute=SELECT 1")...)
		return err == nil
	})
	return m
}

// mariadbd is a small server. Nobody pulls a plug here, so it need not sync.
func mariadbd(data string, more ...string) []string {
	return append(
		[]string{
			"mariadbd",
			"--no-defaults",
			"--datadir=" + data,
			"--skip-networking",
			"--skip-log-bin",
			"--innodb-log-file-size=4M",
			"--innodb-buffer-pool-size=16M",
			"--innodb-flush-log-at-trx-commit=2",
			"--innodb-fast-shutdown=2",
		},
		more...)
}

func startMariaDB(b *bench) subject {
	b.Helper()
	from := b.template("mariadb", func(dir string) {
		b.run("mariadb-install-db", "--no-defaults", "--datadir="+dir, "--auth-root-authentication-method=normal",
			"--skip-test-db", "--innodb-log-file-size=4M")
		b.bootstrap(dir)
	})
	data := filepath.Join(b.volume, "mysql")
	b.run("cp", "-a", from, data)
	return b.mariadb(data)
}

// bootstrap makes the ledger, and a user with the rights that the recipes ask for.
func (b *bench) bootstrap(data string) {
	b.Helper()
	cmd := command(mariadbd(data, "--bootstrap")...)
	cmd.Stdin = strings.NewReader(`FLUSH PRIVILEGES;
CREATE DATABASE app;
CREATE TABLE app.ledger (entry BIGINT PRIMARY KEY, filler TEXT) ENGINE=InnoDB;
CREATE USER backup@'%' IDENTIFIED BY 'secret';
GRANT RELOAD ON *.* TO backup@'%';
`)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	b.Must(launch()(cmd))
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%v: %s", err, said.String())
	}
}

// What many scripts do: the lock ends with the client that took it, before the copy. The
// check of the copies sees it.
func TestLockThatIsNotHeld(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mariadbd", "mysql", "bash")
	m := startMariaDB(b)
	l := b.ledger(m)
	r := b.recipe("mysql", m.secret())
	script := filepath.Join(r.volumes["scripts"], "hold.sh")
	b.Must(os.WriteFile(script, []byte(`mysql --defaults-extra-file="$CLIENT_CNF" --execute='FLUSH TABLES WITH READ LOCK'
echo QUIESCED
while read -r _; do :; done
`), 0o600))
	run, held := r.begin()
	least := l.last()
	l.awaitWrites(20)
	m.still(b, func() {
		held.Release()
		b.awaitCut()
	})
	run.End().Ends(harness.OK) // as the command said
	count, highest := m.restored(b, b.snapshot()).numbers(b)
	err := check(count, highest, least, least+1)
	if err == nil || !strings.Contains(err.Error(), "written after") {
		t.Errorf("the check of the copy says %v", err)
	}
}
