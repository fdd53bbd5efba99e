package recipes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// volumes are those of a PostgreSQL with its log on one of its own, under load.
type volumes struct {
	*bench
	group *harness.Group // the claims of the data and of the log
	db    *postgres
	load  *ledger
	hold  string // the command
}

func newVolumes(t *testing.T) *volumes {
	t.Helper()
	b := newBench(t, "postgres", "bash")
	v := &volumes{bench: b, group: b.Beside("wal", harness.Nightly+"-wal")}
	log := v.group.Members[1].VolumeDir()
	b.own(log)
	data := b.newData()
	b.run("mv", filepath.Join(data, "pg_wal"), log)
	b.run("ln", "-s", filepath.Join(log, "pg_wal"), data)
	v.db = b.postgres(data, "autovacuum_naptime=1h") // no catalog is vacuumed just in the freeze
	v.db.query(b, `CREATE TABLE ledger (entry bigint PRIMARY KEY, filler text);
		CREATE ROLE backup LOGIN; GRANT pg_checkpoint, pg_write_all_data TO backup;
		CREATE EXTENSION pg_walinspect; GRANT EXECUTE ON FUNCTION pg_get_wal_stats TO backup;
		CREATE EXTENSION amcheck`)
	v.load = b.ledger(v.db)
	v.hold = v.holdCommand()
	return v
}

// holdCommand is that of jobs/examples/hold.yaml, with its script.
func (v *volumes) holdCommand() string {
	v.Helper()
	var job batchv1.Job
	v.read("jobs/examples/hold.yaml", &job)
	var scripts corev1.ConfigMap
	v.read("tasks/examples/postgresql.yaml", &scripts)
	dir := v.folder("scripts")
	v.put(filepath.Join(dir, "hold.sql"), scripts.Data["hold.sql"])
	for _, e := range job.Spec.Template.Spec.Containers[0].Env {
		if e.Name == "COPYTRIGGER_HOLD" {
			return strings.ReplaceAll(e.Value, "/workspace/scripts", dir)
		}
	}
	v.Fatalf("the Job has no COPYTRIGGER_HOLD")
	return ""
}

// read reads the first object of a file of the repository.
func (v *volumes) read(path string, into any) {
	v.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	v.Must(err)
	first, _, _ := strings.Cut(string(text), "\n---\n")
	v.Must(yaml.Unmarshal([]byte(first), into))
}

// start starts a run around these claims.
func (v *volumes) start(claims ...string) *harness.Process {
	v.Helper()
	env := []string{
		"PATH=" + searchPath(), "LC_ALL=C", "PGHOST=" + v.db.socket, "PGUSER=backup", "PGDATABASE=postgres",
	}
	return v.group.StartIn(env, "run", "--pvc="+strings.Join(claims, ","), "--hold="+v.hold, "--max-freeze=10m")
}

// copying starts a run around both claims, and returns when VolSync copies them; the copies are held.
func (v *volumes) copying() (harness.Hold, *harness.Process) {
	v.Helper()
	held := v.Hold()
	for _, m := range v.group.Members {
		m.ReplicateAndWait(held.Source("Snapshot"))
	}
	run := v.start(v.group.Claims()...)
	for _, m := range v.group.Members {
		m.AwaitStatus(harness.InProgress)
	}
	return held, run
}

// restored starts a server on the copies of both claims, and says what is wrong with it: it has to
// have all numbers up to least, and none above most.
func (v *volumes) restored(least, most int64) error {
	v.Helper()
	var copies []string
	for _, name := range v.group.Copies() {
		dir, err := v.Cluster().SnapshotDir(v.Ctx, v.Namespace, name)
		v.Must(err)
		copies = append(copies, v.copyOf(dir))
	}
	data := v.unowned(filepath.Join(copies[0], "pgdata"))
	link := filepath.Join(data, "pg_wal")
	v.Must(os.Remove(link))
	v.Must(os.Symlink(filepath.Join(copies[1], "pg_wal"), link))
	db, err := v.tryPostgres(data)
	if err != nil {
		return err
	}
	count, highest := db.numbers(v.bench)
	if err := check(count, highest, least, most); err != nil {
		return err
	}
	_, err = output(v.Ctx, append(db.client(), "-c", "SELECT bt_index_check('ledger_pkey', true)")...)
	return err
}

// One run around both claims: restored together they are the database of the freeze.
func TestPostgresVolumes(t *testing.T) {
	t.Parallel()
	v := newVolumes(t)
	held, run := v.copying()
	last := v.load.last() // what was written next waits
	held.Release()
	run.End().EndsTogether(harness.OK)
	v.load.awaitWrites(1)
	v.Must(v.restored(last, last))
}

// What is written although the tables are locked is noticed.
func TestPostgresVolumesWrittenTo(t *testing.T) {
	t.Parallel()
	v := newVolumes(t)
	held, run := v.copying()
	v.db.query(v.bench, "CREATE TABLE another (n int)")
	held.Release()
	run.End().
		EndsTogether(harness.Unverified).
		Says("something was written in spite of the locks", "do not belong together")
	v.load.awaitWrites(1)
}

// A run for each claim: each is well, and together they are no database.
func TestPostgresVolumesApart(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	var mu sync.Mutex
	ran, torn := 0, 0 // none runs where PostgreSQL is missing
	t.Run("tries", func(t *testing.T) {
		for try := range 5 {
			t.Run(fmt.Sprint(try), func(t *testing.T) {
				t.Parallel()
				v := newVolumes(t)
				for _, m := range v.group.Members {
					m.ReplicateAndWait(harness.Source{})
				}
				claims := v.group.Claims()
				if try%2 == 0 { // the log first
					claims[0], claims[1] = claims[1], claims[0]
				}
				for _, claim := range claims {
					v.start(claim).End().Exits(harness.OK).Outcome("ok")
					v.load.awaitWrites(100)
				}
				err := v.restored(1, v.load.last())
				t.Logf("the copy of %s, then that of %s: %v", claims[0], claims[1], err)
				mu.Lock()
				defer mu.Unlock()
				ran++
				if err != nil {
					torn++
				}
			})
		}
	})
	if ran > 0 && torn == 0 {
		t.Error("a freeze for each claim was as good as one around both: these tests show nothing")
	}
}
