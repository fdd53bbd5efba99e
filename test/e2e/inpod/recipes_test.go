package inpod

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const copyName = "volsync-" + application.Source + "-src"

// newBench is a namespace as a careful administrator has it, with the application, and the recipe
// as `kubectl apply -k` applies it.
func newBench(t *testing.T, d database) *bench {
	t.Helper()
	harness.Need(t, harness.Engine)
	b := &bench{Site: &application.Site{Site: harness.New(t)}, of: d}
	b.probe = b.With(b.Account("probe", append(harness.LeastRole(), execRole(t)...)))
	level := "restricted"
	if d.frozen {
		level = "privileged"
	}
	patch := fmt.Appendf(nil, `{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": %q}}}`, level)
	_, err := b.Kube().CoreV1().Namespaces().Patch(b.Ctx, b.Namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	b.Must(err)
	b.Apply(b.Shipped("docs/recipes/" + d.recipe)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the application says:\n%s", b.Log(b.Ctx, "app", "main"))
		}
		if d.frozen { // or its node could not end it
			_ = b.in("app", "fsfreeze -u /data")
		}
	})
	b.start(d.pod("app", harness.Claim, false))
	b.awaitWrites(5)
	return b
}

// eachDatabase runs a test for each of them.
func eachDatabase(t *testing.T, all []database, test func(t *testing.T, b *bench)) {
	t.Parallel()
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, newBench(t, d))
		})
	}
}

// cron is the CronJob of the recipe.
func (b *bench) cron() *batchv1.CronJob {
	b.Helper()
	cron, err := b.Kube().BatchV1().CronJobs(b.Namespace).Get(b.Ctx, "quiesced-copy", metav1.GetOptions{})
	b.Must(err)
	return cron
}

// replicate begins a sync whose copy is held back.
func (b *bench) replicate() harness.Hold {
	b.Helper()
	held := b.Hold()
	b.Site.Site.ReplicateAndWait(harness.Source{Name: application.Source, SnapshotClass: held.Class()})
	return held
}

// job starts the recipe's Job, as `kubectl create job --from` does.
func (b *bench) job() *batchv1.Job {
	b.Helper()
	job, err := b.Kube().BatchV1().Jobs(b.Namespace).Create(b.Ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "now"}, Spec: b.cron().Spec.JobTemplate.Spec,
	}, metav1.CreateOptions{})
	b.Must(err)
	return job
}

// copied waits for the good end of the Job.
func (b *bench) copied(job *batchv1.Job) {
	b.Helper()
	b.Await(application.Kinds["Job"], job.Name, "ended", func(o *unstructured.Unstructured) bool {
		var now batchv1.Job
		b.Must(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &now))
		if now.Status.Failed > 0 {
			b.Fatalf("an attempt failed: %s", b.Log(b.Ctx, b.Pods("batch.kubernetes.io/job-name=now")[0].Name, "run"))
		}
		return now.Status.Succeeded > 0
	})
	if latest := b.Marks().Latest; !strings.HasPrefix(latest, string(job.UID)+".") {
		b.Fatalf("VolSync has recorded %q, and the run was %s", latest, job.UID)
	}
}

// awaitCut waits until the storage has made its copy.
func (b *bench) awaitCut() {
	b.Helper()
	snapshots := schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
	b.Await(snapshots, copyName, "cut", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "creationTime") != ""
	})
}

// restored starts the application on VolSync's copy, and says what is in it.
func (b *bench) restored() (count, highest int64) {
	b.Helper()
	from, err := b.Cluster().SnapshotDir(b.Ctx, b.Namespace, copyName)
	b.Must(err)
	b.Claim("restored")
	var to string
	b.Eventually("a volume", func() bool {
		to, err = b.Cluster().VolumeDir(b.Ctx, b.Namespace, "restored")
		return err == nil
	})
	said, err := exec.CommandContext(b.Ctx, "cp", "-a", from+"/.", to).CombinedOutput()
	if err != nil {
		b.Fatalf("copying %s: %v: %s", from, err, said)
	}
	b.start(b.of.pod("restored", "restored", true))
	text, err := b.output("restored", b.of.numbers)
	b.Must(err)
	if _, err := fmt.Sscan(text, &count, &highest); err != nil {
		b.Fatalf("%q: %v", text, err)
	}
	return count, highest
}

// check says what is wrong with the numbers in a copy that has to hold all up to least, and
// none above most.
func check(count, highest, least, most int64) error {
	switch {
	case count != highest:
		return fmt.Errorf("the copy has %d numbers up to %d", count, highest)
	case highest < least:
		return fmt.Errorf("the copy ends with %d, and %d was acknowledged before the freeze", highest, least)
	case highest > most:
		return fmt.Errorf("the copy ends with %d, and so has what was written after %d", highest, most)
	}
	return nil
}

// As it is shipped, in pods: the copy has every write that was acknowledged before the freeze, and
// none after, and the application writes again.
func TestRecipeCopies(t *testing.T) {
	eachDatabase(t, databases(), func(t *testing.T, b *bench) {
		held := b.replicate()
		job := b.job()
		b.AwaitStatus(harness.InProgress)
		b.awaitBlocked()
		least := b.acked()
		b.still(func() {
			held.Release()
			b.awaitCut()
		})
		b.copied(job)
		b.awaitWrites(1)
		count, highest := b.restored()
		b.Must(check(count, highest, least, least+b.of.inDoubt))
		t.Logf("%d writes in the copy, as many as were acknowledged before the freeze, or %d more", highest, b.of.inDoubt)
	})
}

// A command that says it holds the lock, and does not: the copies of these tests show that.
func TestCopyOfNoFreeze(t *testing.T) {
	t.Parallel()
	sqlite := databases()[2]
	b := newBench(t, sqlite)
	held := b.replicate()
	p := b.granted().Start("run", "--in-pod", "--run-id", "control", "--hold", "echo QUIESCED; cat")
	b.AwaitStatus(harness.InProgress)
	least := b.acked()
	b.awaitWrites(5)
	held.Release()
	b.awaitCut()
	p.End().Ends(harness.OK) // as the command said
	count, highest := b.restored()
	if err := check(count, highest, least, least+1); err == nil || !strings.Contains(err.Error(), "written after") {
		t.Errorf("the check of the copy says %v", err)
	}
}

// PostgreSQL is not held back: the copy has what was acknowledged until it was cut.
func TestRecipePostgres(t *testing.T) {
	t.Parallel()
	b := newBench(t, postgres())
	checkpoint := "psql -U postgres -XAtc 'SELECT checkpoint_lsn FROM pg_control_checkpoint()'"
	before := b.must(checkpoint)
	held := b.replicate()
	job := b.job()
	b.AwaitStatus(harness.InProgress)
	if b.must(checkpoint) == before {
		t.Error("no checkpoint was made")
	}
	b.awaitWrites(5)
	var least int64
	b.still(func() {
		least = b.acked()
		held.Release()
		b.awaitCut()
	})
	b.copied(job)
	b.awaitWrites(1)
	count, highest := b.restored()
	b.Must(check(count, highest, least, least+1)) // one may be committed, and not acknowledged yet
}

// freezeLimit is one that is to be reached: enough for a busy machine to quiesce in.
const freezeLimit = 30 * time.Second

// margin is what a busy machine may take besides.
const margin = 2 * time.Minute

// run runs the recipe's container as a process of the test, so that the test can stop it: its
// command line, its environment, its rights.
func (b *bench) run(freeze time.Duration) *harness.Process {
	b.Helper()
	container := b.cron().Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	args := append([]string{}, container.Args...)
	for i, arg := range args {
		if strings.HasPrefix(arg, "--state-file=") {
			args[i] = "--state-file=" + filepath.Join(b.TempDir(), "locked")
		}
	}
	env := []string{}
	for _, e := range container.Env {
		env = append(env, e.Name+"="+value(e, freeze))
	}
	p := b.granted().StartIn(append(env, "COPYTRIGGER_NAMESPACE="+b.Namespace), args...)
	p.Says(" is set") // or has ended
	b.awaitBlocked()
	return p
}

// granted is the site with the rights of the recipe.
func (b *bench) granted() *harness.Site {
	b.Helper()
	var rules []rbacv1.PolicyRule
	for _, name := range []string{"copytrigger-jobs", "copytrigger-exec"} {
		role, err := b.Kube().RbacV1().Roles(b.Namespace).Get(b.Ctx, name, metav1.GetOptions{})
		b.Must(err)
		rules = append(rules, role.Rules...)
	}
	return b.With(b.Account("recipe", rules))
}

func value(e corev1.EnvVar, freeze time.Duration) string {
	switch {
	case e.Name == "COPYTRIGGER_MAX_FREEZE":
		return freeze.String()
	case e.ValueFrom != nil:
		return "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	}
	return e.Value
}

// copytrigger is killed, and the application writes again: a session's lock goes with the
// connection, and what is frozen has a limit.
func TestRecipeKilled(t *testing.T) {
	eachDatabase(t, databases(), func(t *testing.T, b *bench) {
		b.replicate()
		p := b.run(freezeLimit)
		began := time.Now()
		p.Kill()
		b.awaitWrites(1)
		b.within(began)
	})
}

// As on a lost node: copytrigger stands still, and its connection stays. The limit in the pod, or
// the server's, lets the application go.
func TestRecipeLost(t *testing.T) {
	eachDatabase(t, databases(), func(t *testing.T, b *bench) {
		b.replicate()
		p := b.run(freezeLimit)
		began := time.Now()
		p.Signal(syscall.SIGSTOP)
		b.awaitWrites(1)
		b.within(began)
	})
}

func (b *bench) within(began time.Time) {
	b.Helper()
	took := time.Since(began)
	b.Logf("%s: writes %s later", b.Name(), took.Round(time.Millisecond))
	if took > freezeLimit+margin {
		b.Fatalf("writes after %s, want %s", took, freezeLimit)
	}
}

// The lock is taken away behind its back: the copy is not taken for a good one.
func TestRecipeNotHeld(t *testing.T) {
	eachDatabase(t, databases(), func(t *testing.T, b *bench) {
		held := b.replicate()
		p := b.run(10 * time.Minute)
		b.must(b.of.free)
		b.awaitWrites(1)
		held.Release()
		p.End().Ends(harness.Unverified).Says(b.of.lost)
	})
}
