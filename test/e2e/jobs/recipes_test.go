package jobs

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The recipes for which the node has what they need run here as they are shipped: pods, rights,
// volumes and all. What they do to their databases is told by the tests in test/recipes.

// recipe applies an example of docs/recipes, and starts its Job. Only the image that brings the
// program is another one, and where the database is.
func (s *site) recipe(name string) *job {
	s.Helper()
	for _, o := range s.File("docs/recipes/" + name + ".yaml") {
		if o.GetKind() == "Secret" {
			s.Must(unstructured.SetNestedField(o.Object, s.DB.Host(), "stringData", "PGHOST"))
			s.Must(unstructured.SetNestedField(o.Object, "60", "stringData", "PGCONNECT_TIMEOUT"))
		}
		s.Apply(o)
	}
	return s.start(s.jobOf("copytrigger-"+name), s.programmed)
}

// copied waits for the good end of a recipe's Job.
func (j *job) copied() {
	j.site.Helper()
	if got := j.ended(); got != "Complete" {
		j.site.Fatalf("the Job ended with %s", got)
	}
	if latest := j.site.Marks().Latest; !strings.HasPrefix(latest, j.uid+".") {
		j.site.Fatalf("VolSync has recorded %q, and the run was %s", latest, j.uid)
	}
	j.site.AwaitUnlocked()
	j.site.Ledger.AwaitWrites()
}

func TestRecipePostgresCheckpoint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.DB.Do("postgres", "CREATE ROLE backup LOGIN PASSWORD 'change-me'", "GRANT pg_checkpoint TO backup")
	s.Sync(false)
	s.recipe("postgresql-checkpoint").copied()
}

func TestRecipePostgresBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.DB.Do(
		"postgres",
		"CREATE ROLE backup LOGIN PASSWORD 'change-me'",
		"GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO backup",
	)
	storage := s.Hold()
	s.Replicate(storage.Class())
	j := s.recipe("postgresql-backup")
	s.AwaitStatus(harness.InProgress)
	s.DB.Assert("count(*) = 1 FROM pg_stat_activity WHERE usename = 'backup'")
	storage.Release()
	j.copied()
	// The label is there for whoever restores.
	s.Apply(pod("label", cluster.DebianImage, "backup-labels", "grep 'LABEL: "+j.uid+"' /volume/"+j.uid+".backup_label"))
	s.Await(application.Kinds["Pod"], "label", "ended", func(o *unstructured.Unstructured) bool {
		phase := application.Text(o, "status", "phase")
		if phase == "Failed" {
			s.Fatalf("there is no label of %s", j.uid)
		}
		return phase == "Succeeded"
	})
}

func TestRecipeScaleToZero(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	labels := map[string]any{"app": "app"}
	template := pod("", cluster.DebianImage, "", "trap exit TERM; sleep infinity & wait")
	template.SetLabels(map[string]string{"app": "app"})
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "app"},
		"spec": map[string]any{
			"replicas": int64(2), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{"metadata": template.Object["metadata"], "spec": template.Object["spec"]},
		},
	}})
	s.awaitReady(2)
	storage := s.Hold()
	s.Replicate(storage.Class())
	j := s.recipe("scale-to-zero")
	s.AwaitStatus(harness.InProgress)
	if pods := s.Pods("app=app"); len(pods) != 0 {
		t.Errorf("%d pods of the application are there while VolSync copies", len(pods))
	}
	storage.Release()
	j.copied()
	s.awaitReady(2)
}

func (s *site) awaitReady(n int64) {
	s.Helper()
	s.Await(application.Kinds["Deployment"], "app", "ready", func(o *unstructured.Unstructured) bool {
		ready, _, _ := unstructured.NestedInt64(o.Object, "status", "readyReplicas")
		return ready == n
	})
}

// pod runs a script, on a claim if one is named.
func pod(name, image, claim, script string) *unstructured.Unstructured {
	container := map[string]any{
		"name": "script", "image": image, "command": []any{"bash", "-ec", script},
		"securityContext": map[string]any{
			"allowPrivilegeEscalation": false,
			"capabilities":             map[string]any{"drop": []any{"ALL"}},
		},
	}
	spec := map[string]any{
		"securityContext": map[string]any{
			"runAsNonRoot":   true,
			"runAsUser":      int64(65532),
			"seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
		"containers": []any{container},
	}
	if claim != "" {
		container["volumeMounts"] = []any{map[string]any{"name": "volume", "mountPath": "/volume"}}
		spec["volumes"] = []any{map[string]any{"name": "volume", "persistentVolumeClaim": map[string]any{"claimName": claim}}}
		spec["restartPolicy"] = "Never"
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
}
