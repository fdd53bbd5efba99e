// Package application is what the tests of all engines have in common: a namespace as a
// careful administrator has it, with what users apply to it, the real VolSync, and a real
// PostgreSQL under load to be quiesced.
package application

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Source is the ReplicationSource that the shipped Roles name.
const Source = "backup"

// patience is how long a report may take. No test asserts on it.
const patience = 5 * time.Minute

// Main is TestMain's body: the tests, so many at once, of what is in a folder of the
// repository, in a cluster that has the images.
func Main(m *testing.M, dir string, parallel int, has cluster.Options) int {
	return harness.Main(m, harness.Config{
		Wanted: "COPYTRIGGER_E2E_TESTS", Parallel: parallel, Cluster: has,
		Anywhere: true,
		Prepare:  func(ctx context.Context, c *cluster.Cluster) error { return loadImages(ctx, c, dir) },
	})
}

// Site is a namespace as a careful administrator has it, Pod Security "restricted", with
// the shipped YAML of an engine applied.
type Site struct {
	*harness.Site
	DB     *Database
	Ledger *Ledger
	images map[string]string // what is in place of images in a cluster that is not ours
}

// New is a site with a PostgreSQL under load on the claim. dir is the engine's folder of
// the repository.
func New(t *testing.T, dir string) *Site {
	t.Helper()
	return Bare(t, dir).withDatabase()
}

func (s *Site) withDatabase() *Site {
	s.Helper()
	return s.with(s.Database("postgresql", harness.Claim))
}

// with puts a database under load, and tells the user's steps where it is.
func (s *Site) with(db *Database) *Site {
	s.Helper()
	s.DB, s.Ledger = db, db.StartLedger()
	s.Apply(s.File("tasks/examples/postgresql.yaml")...)
	s.Environment(
		map[string]string{"PGHOST": s.DB.host, "PGUSER": "postgres", "PGDATABASE": Name, "PGCONNECT_TIMEOUT": "60"},
	)
	return s
}

// Bare is a site without a database.
func Bare(t *testing.T, dir string) *Site {
	t.Helper()
	harness.Need(t, harness.Engine)
	s := &Site{Site: harness.New(t)}
	patch := []byte(`{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}`)
	_, err := s.Kube().CoreV1().Namespaces().Patch(s.Ctx, s.Namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	s.Must(err)
	s.Apply(s.Shipped(dir)...)
	return s
}

// Client is the administrator's for a kind.
func (s *Site) Client(kind string) dynamic.ResourceInterface {
	s.Helper()
	r, ok := Kinds[kind]
	if !ok {
		s.Fatalf("kind %s is not among those that tests use", kind)
	}
	return s.Dynamic().Resource(r).Namespace(s.Namespace)
}

// Patch is a merge patch.
func (s *Site) Patch(kind, name string, change map[string]any) {
	s.Helper()
	text, err := json.Marshal(change)
	s.Must(err)
	_, err = s.Client(kind).Patch(s.Ctx, name, types.MergePatchType, text, metav1.PatchOptions{})
	s.Must(err)
}

// Environment sets keys of the Secret that the user's steps have as their environment.
func (s *Site) Environment(values map[string]string) {
	s.Helper()
	s.Patch("Secret", "copytrigger-quiesce", map[string]any{"stringData": values})
}

// Sync begins a sync, and waits until VolSync waits for the trigger. A held copy never gets
// ready to use.
func (s *Site) Sync(held bool) {
	s.Helper()
	class := ""
	if held {
		class = s.Hold().Class()
	}
	s.Replicate(class)
	s.AwaitStatus(harness.Waiting)
}

// Replicate makes a ReplicationSource whose copies are of the snapshot class; the
// default one if it is empty. Its mover is the real restic, to a repository on a claim.
func (s *Site) Replicate(snapshotClass string) {
	s.Helper()
	s.repository()
	s.replicate(Source, harness.Claim, "repository", snapshotClass)
}

// replicate makes the ReplicationSource of a claim.
func (s *Site) replicate(source, claim, repository, snapshotClass string) {
	s.Helper()
	restic := map[string]any{
		"repository": repository, "copyMethod": "Snapshot",
		"moverSecurityContext": podSecurity(), "moverVolumes": repositoryVolume(),
	}
	restic = elsewhere(restic)
	if snapshotClass != "" {
		restic["volumeSnapshotClassName"] = snapshotClass
	}
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
		"metadata": map[string]any{"name": source},
		"spec": map[string]any{
			"sourcePVC": claim,
			"trigger":   map[string]any{"manual": "first"},
			"restic":    restic,
		},
	}})
}

// Restore restores the last backup to a new claim.
func (s *Site) Restore(claim string) {
	s.Helper()
	s.restore("repository", claim)
}

func (s *Site) restore(repository, claim string) {
	s.Helper()
	s.Claim(claim)
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination",
		"metadata": map[string]any{"name": claim},
		"spec": map[string]any{"trigger": map[string]any{"manual": "first"}, "restic": map[string]any{
			"repository": repository, "copyMethod": "Direct", "destinationPVC": claim,
			"moverSecurityContext": podSecurity(), "moverVolumes": repositoryVolume(),
		}},
	}})
	s.Await(Kinds["ReplicationDestination"], claim, "restored", func(o *unstructured.Unstructured) bool {
		return Text(o, "status", "lastManualSync") == "first"
	})
}

// repository makes restic's repository.
func (s *Site) repository() {
	s.Helper()
	s.Claim("repository")
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "repository"},
		"stringData": map[string]any{"RESTIC_REPOSITORY": "/mnt/repository/restic", "RESTIC_PASSWORD": "secret"},
	}})
}

func repositoryVolume() []any {
	return []any{map[string]any{"mountPath": "repository", "volumeSource": map[string]any{
		"persistentVolumeClaim": map[string]any{"claimName": "repository"}}}}
}

// Claim makes a claim.
func (s *Site) Claim(name string) {
	s.Helper()
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"name": name},
		"spec": classed(map[string]any{
			"accessModes": []any{"ReadWriteOnce"},
			"resources":   map[string]any{"requests": map[string]any{"storage": "1Gi"}},
		}),
	}})
}

// podSecurity of the pods that use a volume: what "restricted" asks for.
func podSecurity() map[string]any {
	return grouped(map[string]any{
		"runAsNonRoot": true, "runAsUser": int64(cluster.PostgresUser), "runAsGroup": int64(cluster.PostgresUser),
		"seccompProfile": map[string]any{"type": "RuntimeDefault"},
	})
}

// Pods are those of the namespace with the labels.
func (s *Site) Pods(selector string) []corev1.Pod {
	s.Helper()
	list, err := s.Kube().CoreV1().Pods(s.Namespace).List(s.Ctx, metav1.ListOptions{LabelSelector: selector})
	s.Must(err)
	return list.Items
}

// Log is what a container has said.
func (s *Site) Log(ctx context.Context, pod, container string) string {
	text, err := s.Kube().CoreV1().Pods(s.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container}).DoRaw(ctx)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// DeletePod deletes a pod so that nothing waits for its end.
func (s *Site) DeletePod(name string) {
	s.Helper()
	now := int64(0)
	s.Must(s.Kube().CoreV1().Pods(s.Namespace).Delete(s.Ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
}

// Evict is what a drain of the node does, once nothing forbids it.
func (s *Site) Evict(pod string) error {
	s.Helper()
	// No budget keeps a pod that is Pending, and the kubelet tells that it runs a little later.
	s.Await(
		Kinds["Pod"],
		pod,
		"known to run",
		func(o *unstructured.Unstructured) bool { return Text(o, "status", "phase") == "Running" },
	)
	return s.Kube().
		PolicyV1().
		Evictions(s.Namespace).
		Evict(s.Ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: s.Namespace}})
}

// First waits for an object that somebody else creates, and gives its name.
func (s *Site) First(kind string) string {
	s.Helper()
	w, err := s.Client(kind).Watch(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		if o, ok := e.Object.(*unstructured.Unstructured); ok && o.GetKind() == kind {
			return o.GetName()
		}
	}
	s.Fatalf("waiting for a %s: %v", kind, s.Ctx.Err())
	return ""
}

// CopiedOnce asserts that VolSync has recorded the trigger on the claim, and that the
// application runs after one freeze.
func (s *Site) CopiedOnce() {
	s.Helper()
	if m := s.Marks(); m.Latest == "" || m.Trigger != m.Latest {
		s.Fatalf("the claim is left with %+v", m)
	}
	if s.DB.Frozen() {
		s.Fatalf("the application is left frozen")
	}
	s.Ledger.AwaitWrites()
	if freezes := s.Ledger.Seen(); len(freezes) != 1 {
		s.Fatalf("the application has noticed %+v, want one freeze", freezes)
	}
}

// Left asserts what a run that has ended may leave: nothing; or, where nothing may have
// unquiesced, an application that is frozen, with the claim locked by that run.
func (s *Site) Left(t *testing.T, uid string, mayBeFrozen bool) {
	t.Helper()
	by, frozen := s.Locker(), s.DB.Frozen() // in this order: the lock goes last
	switch {
	case !mayBeFrozen && (frozen || by != ""):
		t.Errorf("the application is left frozen: %t, and the claim locked by %q", frozen, by)
	case frozen && by != uid:
		t.Errorf("the application is left frozen, and the claim locked by %q", by)
	case mayBeFrozen:
		// The containers of a pod are told to stop one after the other: where that takes long,
		// unquiesce may run before it is told.
		t.Logf("the application is left frozen: %t", frozen)
	}
}

// Freed asserts that the cleanup by hand has freed everything.
func (s *Site) Freed() {
	s.Helper()
	s.LeftUnlocked()
	if s.DB.Frozen() {
		s.Fatalf("the cleanup by hand has left the application frozen")
	}
}

// DeleteSource deletes the ReplicationSource.
func (s *Site) DeleteSource() {
	s.Helper()
	s.Must(s.Client("ReplicationSource").Delete(s.Ctx, Source, metav1.DeleteOptions{}))
}

// Get is an object as it is now.
func (s *Site) Get(kind, name string) *unstructured.Unstructured {
	s.Helper()
	o, err := s.Client(kind).Get(s.Ctx, name, metav1.GetOptions{})
	s.Must(err)
	return o
}

// AwaitDisarmed waits until no trigger is armed: pods that are being deleted may take one
// back yet.
func (s *Site) AwaitDisarmed() {
	s.Helper()
	s.Await(Kinds["PersistentVolumeClaim"], harness.Claim, "disarmed", func(*unstructured.Unstructured) bool {
		m := s.Marks()
		return m.Trigger == "" || m.Trigger == m.Latest
	})
}

// AwaitUnlocked waits until no run has the claim locked: one that is ending unlocks it last.
func (s *Site) AwaitUnlocked() {
	s.Helper()
	s.Await(Kinds["PersistentVolumeClaim"], harness.Claim, "unlocked", func(o *unstructured.Unstructured) bool {
		return o.GetAnnotations()[harness.LockedBy] == ""
	})
}

// AwaitSynced waits until VolSync has moved the data of the copy, too.
func (s *Site) AwaitSynced() { s.Helper(); s.awaitSynced(Source) }

func (s *Site) awaitSynced(source string) {
	s.Helper()
	s.Await(Kinds["ReplicationSource"], source, "done with the sync", func(o *unstructured.Unstructured) bool {
		return Text(o, "status", "lastManualSync") == Text(o, "spec", "trigger", "manual")
	})
}

// Background is a context for a report, which is made when the test's own may be over.
func Background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// Script is a command of the user's that runs SQL, and something after it.
func Script(sql, after string) []any {
	return []any{
		"bash",
		"-ec",
		"psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/workspace/scripts/" + sql + "\n" + after,
	}
}

// UntilGo is a script that ends when the comment of the ledger is "go".
const UntilGo = `until [ "$(psql --tuples-only --no-align ` +
	`--command="SELECT obj_description('ledger'::regclass)")" = go ]; do :; done`

// InPod is psql with what quiesces, or unquiesces, the database from its own pod: by its socket,
// and with no script.
func InPod(quiesce bool) []any {
	psql := []any{"psql", "--host=/tmp", "--username=postgres", "--dbname=" + Name, "--set=ON_ERROR_STOP=1"}
	end := "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '" + Name +
		"' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
	change := "RESET default_transaction_read_only"
	if quiesce {
		change = "SET default_transaction_read_only = on"
	}
	for _, sql := range []string{"SET default_transaction_read_only = off", "ALTER DATABASE " + Name + " " + change, end} {
		psql = append(psql, "--command="+sql)
	}
	return psql
}

// MayExec grants what commands in pods need, as rbac/exec does.
func (s *Site) MayExec() {
	s.Helper()
	s.Apply(s.File("rbac/exec/role.yaml")...)
}

// LeaveOut takes parameters out of a list of them, field of an object.
func LeaveOut(object map[string]any, field string, names ...string) {
	object[field] = slices.DeleteFunc(object[field].([]any), func(p any) bool {
		return slices.Contains(names, p.(map[string]any)["name"].(string))
	})
}
