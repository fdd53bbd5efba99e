package application

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Name is the database that the application writes to.
const Name = "app"

// start runs PostgreSQL on the volume, with its log on one of its own if there is one; in a volume
// that is empty it makes a database first.
// Nobody pulls a plug, and a copy reads what was written whether or not it is on the disk yet:
// fsync would change nothing but how long a busy disk lets everybody wait. Nor is a catalog to be
// vacuumed just in a freeze: autovacuum looks once an hour.
const start = `
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -e /data/pgdata/PG_VERSION ]; then
	waldir=
	[ ! -d /wal ] || waldir=--waldir=/wal/pg_wal
	initdb --pgdata=/data/pgdata $waldir --username=postgres --auth=trust --no-sync >/dev/null
	echo "host all all all trust" >>/data/pgdata/pg_hba.conf
fi
rm -f /data/pgdata/postmaster.pid
exec postgres -D /data/pgdata -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=16MB \
	-c fsync=off -c archive_mode=on -c archive_command=true -c autovacuum_naptime=1h
`

// Database is a PostgreSQL in a pod.
type Database struct {
	site *Site
	name string // of the pod
	host string
	dial dialer
}

// Database starts a PostgreSQL on a claim, and returns when it answers.
func (s *Site) Database(name, claim string) *Database {
	s.Helper()
	d, err := s.database(name, claim, "")
	s.Must(err)
	return d
}

// database is Database on a claim from which none may start, and on one for the log if there is
// one.
func (s *Site) database(name, data, log string) (*Database, error) {
	s.Helper()
	mounts := []any{
		map[string]any{"name": "data", "mountPath": "/data"},
		map[string]any{"name": "tmp", "mountPath": "/tmp"},
	}
	volumes := []any{
		map[string]any{"name": "data", "persistentVolumeClaim": map[string]any{"claimName": data}},
		map[string]any{"name": "tmp", "emptyDir": map[string]any{}},
	}
	if log != "" {
		mounts = append(mounts, map[string]any{"name": "wal", "mountPath": "/wal"})
		volumes = append(volumes, map[string]any{"name": "wal", "persistentVolumeClaim": map[string]any{"claimName": log}})
	}
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"securityContext":               podSecurity(),
			"terminationGracePeriodSeconds": int64(1),
			"restartPolicy":                 "Never",
			"containers": []any{map[string]any{
				"name": "postgresql", "image": image(), "command": []any{"bash", "-ec", start},
				"securityContext": map[string]any{
					"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": map[string]any{"drop": []any{"ALL"}},
				},
				"volumeMounts": mounts,
			}},
			"volumes": volumes,
		},
	}})
	d := &Database{site: s, name: name, dial: s.dialer(name)}
	pod := s.Await(Kinds["Pod"], name, "running", func(o *unstructured.Unstructured) bool {
		return d.ended(o) != nil || Text(o, "status", "phase") == "Running" && Text(o, "status", "podIP") != ""
	})
	d.host = Text(pod, "status", "podIP")
	return d, d.await()
}

// ended is why the server does not run any more.
func (d *Database) ended(pod *unstructured.Unstructured) error {
	if phase := Text(pod, "status", "phase"); phase != "Failed" && phase != "Succeeded" {
		return nil
	}
	return fmt.Errorf("the server has ended: %s", d.site.Log(d.site.Ctx, d.name, "postgresql"))
}

// Host is its address.
func (d *Database) Host() string { return d.host }

// connect opens a session; the caller closes it.
func (d *Database) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s user=postgres dbname=%s sslmode=disable", d.host, name))
	if err != nil {
		return nil, err
	}
	config.DialFunc = pgconn.DialFunc(d.dial)
	return pgx.ConnectConfig(ctx, config)
}

// await waits until it answers, for it has no other way of saying that it is there, or has ended.
func (d *Database) await() error {
	d.site.Helper()
	for {
		conn, err := d.connect(d.site.Ctx, "postgres")
		if err == nil {
			conn.Close(d.site.Ctx)
			return nil
		}
		if ended := d.ended(d.site.Get("Pod", d.name)); ended != nil {
			return ended
		}
		select {
		case <-d.site.Ctx.Done():
			d.site.Fatalf("waiting for the database: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Do runs statements in a session of its own, again if quiesce or unquiesce ended it: doing
// them twice must do no harm.
func (d *Database) Do(name string, statements ...string) {
	d.site.Helper()
	for {
		err := d.do(name, statements)
		if !endedByOthers(err) {
			d.site.Must(err)
			return
		}
	}
}

func (d *Database) do(name string, statements []string) error {
	conn, err := d.connect(d.site.Ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close(d.site.Ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(d.site.Ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// endedByOthers says whether somebody's pg_terminate_backend was what went wrong.
func endedByOthers(err error) bool {
	var ended interface{ SQLState() string }
	return errors.As(err, &ended) && ended.SQLState() == "57P01" // admin_shutdown
}

// WritersWait says that the ledger is locked by a session, and that its writer waits for that.
const WritersWait = `count(*) FILTER (WHERE granted AND mode = 'ExclusiveLock') = 1 ` +
	`AND count(*) FILTER (WHERE NOT granted) > 0
	FROM pg_locks WHERE relation = 'ledger'::regclass`

// EverybodyWaits is WritersWait of a session whose lock keeps readers out, too.
const EverybodyWaits = `count(*) FILTER (WHERE granted AND mode = 'AccessExclusiveLock') = 1
	AND count(*) FILTER (WHERE NOT granted) > 0 FROM pg_locks WHERE relation = 'ledger'::regclass`

// Assert fails the test unless a condition holds.
func (d *Database) Assert(condition string) {
	d.site.Helper()
	conn, err := d.connect(d.site.Ctx, Name)
	d.site.Must(err)
	defer conn.Close(d.site.Ctx)
	var holds bool
	d.site.Must(conn.QueryRow(d.site.Ctx, "SELECT "+condition).Scan(&holds))
	if !holds {
		d.site.Fatalf("it is not so that %s", condition)
	}
}

// Frozen says whether a session that begins now may not write. quiesce and unquiesce end
// sessions; it begins again then.
func (d *Database) Frozen() bool {
	d.site.Helper()
	for {
		readOnly, err := d.readOnly()
		if !endedByOthers(err) {
			d.site.Must(err)
			return readOnly
		}
	}
}

func (d *Database) readOnly() (bool, error) {
	conn, err := d.connect(d.site.Ctx, Name)
	if err != nil {
		return false, err
	}
	defer conn.Close(d.site.Ctx)
	var value string
	err = conn.QueryRow(d.site.Ctx, "SHOW transaction_read_only").Scan(&value)
	return value == "on", err
}

// AwaitFrozen waits until it is quiesced, or runs again.
func (d *Database) AwaitFrozen(want bool) {
	d.site.Helper()
	d.site.Eventually(fmt.Sprintf("frozen to be %t", want), func() bool { return d.Frozen() == want })
}

// Ledger is an application that writes numbers, one after the other, each only when the
// one before it has been acknowledged.
type Ledger struct {
	db *Database

	mu      sync.Mutex
	acked   int64 // the last number that was acknowledged
	doubt   int64 // a number that may have been written unacknowledged; 0 for none
	freezes []Freeze
	frozen  bool
}

// Freeze is a time in which nothing could be written.
type Freeze struct {
	Last  int64 // what had been acknowledged when it began
	Doubt int64 // what may have been written besides
	Next  int64 // what was acknowledged first when it was over; 0 while it is not
}

// StartLedger makes the application's database and starts the writing.
func (d *Database) StartLedger() *Ledger {
	d.site.Helper()
	d.Do("postgres", "CREATE DATABASE "+Name)
	d.Do(Name, "CREATE TABLE ledger (n bigint PRIMARY KEY, filler text DEFAULT repeat('x', 200))")
	l := &Ledger{db: d}
	ctx, cancel := context.WithCancel(d.site.Ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.write(ctx)
	}()
	d.site.Cleanup(func() { cancel(); <-done })
	return l
}

// write goes on through whatever happens to the session, as an application's pool does.
func (l *Ledger) write(ctx context.Context) {
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	var conn *pgx.Conn
	for {
		select {
		case <-ctx.Done():
			if conn != nil {
				conn.Close(context.Background())
			}
			return
		case <-pace.C:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = l.db.connect(ctx, Name); err != nil {
				conn = nil
				continue
			}
		}
		n := l.next()
		_, err := conn.Exec(ctx, "INSERT INTO ledger (n) VALUES ($1) ON CONFLICT DO NOTHING", n)
		if l.note(n, err) {
			conn.Close(ctx) // as long as it cannot write, a pool tries again with a new one
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // each one is a process of the server's
			}
		}
	}
}

func (l *Ledger) next() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked + 1
}

// note keeps what became of a number, and says whether the session is of no use.
func (l *Ledger) note(n int64, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused interface{ SQLState() string }
	switch {
	case err == nil:
		if l.frozen {
			l.freezes[len(l.freezes)-1].Next, l.frozen = n, false
		}
		l.acked, l.doubt = n, 0
		return false
	case errors.As(err, &refused) && refused.SQLState() == "25006": // read_only_sql_transaction
		if !l.frozen {
			l.freezes, l.frozen = append(l.freezes, Freeze{Last: l.acked, Doubt: l.doubt}), true
		}
	default:
		l.doubt = n // the session ended, and whether before or after the write nobody knows
	}
	return true
}

// Last is the last number that was acknowledged.
func (l *Ledger) Last() int64 { return l.next() - 1 }

// AwaitMore waits until so many more numbers are acknowledged.
func (l *Ledger) AwaitMore(n int64) {
	l.db.site.Helper()
	from := l.Last()
	l.db.site.Eventually("writes", func() bool { return l.Last() >= from+n })
}

// AwaitFreeze waits until the application has noticed a freeze.
func (l *Ledger) AwaitFreeze() {
	l.db.site.Helper()
	l.db.site.Eventually("the application to notice the freeze", func() bool { return len(l.Seen()) > 0 })
}

// Seen are the freezes that the application has noticed.
func (l *Ledger) Seen() []Freeze {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Freeze(nil), l.freezes...)
}

// AwaitWrites waits for one more acknowledged write: the application runs.
func (l *Ledger) AwaitWrites() {
	l.db.site.Helper()
	from := l.next()
	l.db.site.Eventually("a write", func() bool { return l.next() != from })
}

// checkIndexes is PostgreSQL's own check of its indexes.
var checkIndexes = []string{
	"CREATE EXTENSION amcheck",
	`SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
		JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree'`,
}

// CheckIndexes asserts that its indexes are whole.
func (d *Database) CheckIndexes() {
	d.site.Helper()
	d.Do(Name, append([]string{"SET default_transaction_read_only = off"}, checkIndexes...)...)
}

// Numbers are those in a database's ledger: how many, and the highest.
func (d *Database) Numbers() (count, highest int64) {
	d.site.Helper()
	conn, err := d.connect(d.site.Ctx, Name)
	d.site.Must(err)
	defer conn.Close(d.site.Ctx)
	d.site.Must(conn.QueryRow(d.site.Ctx, "SELECT count(*), coalesce(max(n), 0) FROM ledger").Scan(&count, &highest))
	return count, highest
}
