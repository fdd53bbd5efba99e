package recipes

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// An unquiesce that was started in time may wake in the freeze of a later run, where no lock can
// call it back. Here run a has been cleaned up meanwhile, and run b has the application quiesced.

// of is the recipe as another run has it: in a pod of its own, on the same claim.
func (r *recipe) of(b *bench, run string) *recipe {
	b.Helper()
	other := *r
	other.uid, other.volumes = run, maps.Clone(r.volumes)
	for _, v := range r.pod().Volumes {
		if v.EmptyDir != nil {
			other.volumes[v.Name] = b.folder(v.Name)
		}
	}
	return &other
}

// ends runs a script as run does, and asserts how it ends, and what it says.
func (r *recipe) ends(script string, code int, says string) {
	r.Helper()
	_, env := r.command(&r.pod().Containers[0])
	cmd := exec.CommandContext(r.Ctx, "bash", filepath.Join(r.volumes["scripts"], script))
	cmd.Env = append(env, "COPYTRIGGER_PVCS="+harness.Claim, "COPYTRIGGER_MAX_FREEZE_SECONDS=600")
	said, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(said), says) {
		r.Fatalf("%s of %s ends with %d, want %d, %q, and says\n%s", script, r.uid, got, code, says, said)
	}
}

func TestTwoRunsScale(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 2)
	first, second := r.of(b, "a"), r.of(b, "b")
	first.ends("quiesce.sh", 0, "")
	r.of(b, "a").ends("unquiesce.sh", 106, "") // by a cleanup, which does not know what the run knew
	b.awaitPods(2)
	second.ends("quiesce.sh", 0, "")
	first.ends("unquiesce.sh", 106, "left alone: scaled to zero by run b")
	if n := *b.deployment().Spec.Replicas; n != 0 {
		t.Errorf("%d replicas in the freeze of run b", n)
	}
	second.ends("unquiesce.sh", 0, "")
	b.asBefore(2)
}

// The look is a's, and the freeze that comes after it b's.
func TestTwoRunsScaleStalled(t *testing.T) {
	t.Parallel()
	b, r := newScaling(t, 2)
	first, second := r.of(b, "a"), r.of(b, "b")
	first.ends("quiesce.sh", 0, "")
	// What it reads, it has read before it stands still.
	version, number := b.deployment().ResourceVersion, b.Annotations()[keptReplicas]
	r.of(b, "a").ends("unquiesce.sh", 106, "")
	b.awaitPods(2)
	second.ends("quiesce.sh", 0, "")
	b.Annotate(keptReplicas, number)
	late := r.of(b, "a")
	late.volumes["scripts"] = b.folder("scripts")
	text := strings.Replace(r.example.scripts.Data["unquiesce.sh"], "left=$(", "version="+version+"; left=$(", 1)
	b.Must(os.WriteFile(filepath.Join(late.volumes["scripts"], "unquiesce.sh"), []byte(text), 0o600))
	late.ends("unquiesce.sh", 1, "not scaled back")
	if n := *b.deployment().Spec.Replicas; n != 0 {
		t.Errorf("%d replicas in the freeze of run b", n)
	}
}

// The kernel does not know whose freeze it is: as long as a pod lives that may thaw, no other has
// the volume.
func TestTwoRunsFreeze(t *testing.T) {
	t.Parallel()
	b := newBench(t, "fsfreeze", "flock", "mkfs.ext4", "bash")
	b.mount(b.volume)
	r := b.recipe("fsfreeze", nil)
	first, second := r.of(b, "a"), r.of(b, "b")
	dog := first.sidecars(b)
	first.ends("quiesce.sh", 0, "")
	b.root("fsfreeze", "--unfreeze", b.volume) // by a cleanup in another pod
	second.sidecars(b)
	second.ends("quiesce.sh", 1, "another pod on this node has")
	second.ends("unquiesce.sh", 0, "")
	dog[0].end(syscall.SIGKILL)
	b.Eventually("run b to have the volume", func() bool {
		_, err := os.Stat(filepath.Join(second.volumes["state"], "ours"))
		return err == nil
	})
	second.ends("quiesce.sh", 0, "")
	third := r.of(b, "a") // a cleanup that knows nothing
	third.sidecars(b)
	third.ends("unquiesce.sh", 1, "left alone: another pod on this node has")
	second.ends("unquiesce.sh", 0, "") // it was frozen until now
}

// A pause that is over by its own limit may be another run's.
func TestTwoRunsRedis(t *testing.T) {
	t.Parallel()
	b := newBench(t, "redis-server", "redis-cli", "bash")
	s := startRedis(true)(b)
	l := b.ledger(s)
	r := b.recipe("redis", s.secret())
	r.patient()
	run, held := r.begin("--max-freeze=" + freezeLimit.String())
	stopped := b.lose(run)
	l.awaitWrites(1)
	stopped.within(freezeLimit, "the application wrote")
	held.Release()
	s.(*redis).do(b, "CLIENT", "PAUSE", "600000", "WRITE") // as run b does
	b.Eventually("a write to wait", func() bool { return s.blocked(b) })
	stopped.goOn()
	if !s.blocked(b) {
		t.Error("run b's pause was ended")
	}
}

// postgresScripts are what jobs/cronjob.yaml runs.
func postgresScripts(b *bench) map[string]string {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "tasks", "examples", "postgresql.yaml"))
	b.Must(err)
	doc, _, _ := bytes.Cut(text, []byte("\n---\n"))
	var scripts corev1.ConfigMap
	b.Must(yaml.UnmarshalStrict(doc, &scripts))
	return scripts.Data
}

func TestTwoRunsPostgres(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres")
	p := b.postgresOnVolume()
	p.query(b, "GRANT pg_read_all_stats, pg_signal_backend TO backup; "+
		"GRANT ALL ON ledger TO PUBLIC; CREATE ROLE app LOGIN")
	p.query(b, "ALTER DATABASE postgres OWNER TO backup")
	dir := b.folder("scripts")
	for name, text := range postgresScripts(b) {
		b.put(filepath.Join(dir, name), text)
	}
	as := func(run, script string) string {
		b.Helper()
		return b.run("env", "COPYTRIGGER_RUN_ID="+run, "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--host="+p.socket,
			"--username=backup", "--file="+filepath.Join(dir, script), "postgres")
	}
	frozen := func(want bool) {
		b.Helper()
		_, err := output(b.Ctx, "psql", "--host="+p.socket, "--username=app", "--command=DELETE FROM ledger", "postgres")
		if refused := err != nil && strings.Contains(err.Error(), "read-only"); refused != want || !want && err != nil {
			b.Fatalf("quiesced: %t, want %t: %v", refused, want, err)
		}
	}
	for _, run := range []string{"a", "b"} {
		as(run, "quiesce.sql")
		frozen(true)
		as(run, "unquiesce.sql")
		frozen(false)
	}
	as("b", "quiesce.sql")
	if said := as("a", "unquiesce.sql"); !strings.Contains(said, "left alone: quiesced by run b") {
		t.Errorf("it says\n%s", said)
	}
	frozen(true)
	as("c", "quiesce.sql") // b was lost, and who cleaned up had no command
	as("b", "unquiesce.sql")
	frozen(true)
	as("c", "unquiesce.sql")
	frozen(false)
	as("a", "unquiesce.sql") // where nothing is quiesced
	as("a", "quiesce.sql")
	as("", "unquiesce.sql") // by hand
	frozen(false)
	if left := p.query(b, "SELECT count(*) FROM pg_db_role_setting"); left != "0" {
		t.Error(fmt.Sprint(left, " settings are left"))
	}
}
