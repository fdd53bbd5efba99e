package application

import (
	"encoding/json"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// What a check-restore of the site makes.
const (
	Restored = Source + "-restored"
	Scratch  = "volsync-" + Restored + "-dest"
	Check    = "data-check"

	checks = "jobs/examples/check-restore.yaml"
)

// Sound is a query that fails unless the ledger has rows, and all numbers up to its highest.
const Sound = "SELECT 1 / (count(*) > 0 AND count(*) = max(n))::int FROM ledger"

// Checks applies the example's check, with a query of its own, and the rights that check-restore needs.
func (s *Site) Checks(query string) {
	s.Helper()
	s.Apply(s.File("rbac/check-restore/role.yaml")...)
	o := s.File(checks)[0]
	path := []string{"spec", "jobTemplate", "spec", "template", "spec", "containers"}
	containers, _, err := unstructured.NestedSlice(o.Object, path...)
	s.Must(err)
	for _, e := range containers[0].(map[string]any)["env"].([]any) {
		switch e := e.(map[string]any); e["name"] {
		case "DATABASE":
			e["value"] = Name
		case "QUERY":
			e["value"] = query
		}
	}
	s.Must(unstructured.SetNestedSlice(o.Object, containers, path...))
	s.Apply(o)
}

// RestoreJob is the spec of a Job of the example's CronJob that restores and checks, with flags more.
func (s *Site) RestoreJob(image string, flags ...any) *unstructured.Unstructured {
	s.Helper()
	spec, _, err := unstructured.NestedMap(s.File(checks)[1].Object, "spec", "jobTemplate", "spec")
	s.Must(err)
	c := spec["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
	c["image"], c["args"] = image, append(c["args"].([]any), flags...)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"generateName": "restore-"}, "spec": spec,
	}}
}

// Backed makes a copy of the quiesced database, and waits until its data are moved.
func (s *Site) Backed() {
	s.Helper()
	s.Sync(false)
	s.AsAdmin().Run("run", "--run-id", "backup", "--in-pod", "--pod=postgresql",
		"--quiesce", command(InPod(true)), "--unquiesce", command(InPod(false))).Ends(harness.OK)
	s.AwaitSynced()
}

// command is a command as JSON.
func command(words []any) string {
	text, _ := json.Marshal(words) // strings always can be
	return string(text)
}

// NothingRestored asserts that a check-restore has left nothing, and the claim and the database as they were.
func (s *Site) NothingRestored(t *testing.T) {
	t.Helper()
	for kind, name := range map[string]string{
		"ReplicationDestination": Restored, "PersistentVolumeClaim": Scratch, "Job": Restored,
	} {
		if o, err := s.Client(kind).Get(s.Ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s %s is left: %v (%v)", kind, name, o, err)
		}
	}
	s.LeftUnlocked()
}
