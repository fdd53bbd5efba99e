package synced

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// repository is where restic's is, on the claim of that name.
const repository = "/mnt/repository/restic"

// replicate makes a ReplicationSource with the real restic, whose repository is at a path.
func replicate(s *harness.Site, path string) {
	s.Helper()
	claims := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace)
	_, err := claims.Create(s.Ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "repository"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceStorage: resource.MustParse("1Gi"),
			}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	_, err = s.Kube().CoreV1().Secrets(s.Namespace).Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "repository"},
		StringData: map[string]string{"RESTIC_REPOSITORY": path, "RESTIC_PASSWORD": "secret"},
	}, metav1.CreateOptions{})
	s.Must(err)
	sources := schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
	volume := map[string]any{"mountPath": "repository", "volumeSource": map[string]any{
		"persistentVolumeClaim": map[string]any{"claimName": "repository"},
	}}
	_, err = s.Dynamic().Resource(sources).Namespace(s.Namespace).Create(s.Ctx, &unstructured.Unstructured{
		Object: map[string]any{
			"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
			"metadata": map[string]any{"name": harness.Nightly},
			"spec": map[string]any{
				"sourcePVC": harness.Claim, "trigger": map[string]any{"manual": "first"},
				"restic": map[string]any{
					"repository": "repository", "copyMethod": "Snapshot", "moverVolumes": []any{volume},
				},
			},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
}

// good is a copy that is good.
func good(s *harness.Site) (trigger string) {
	s.Helper()
	trigger = s.AwaitWaiting("run")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	s.Unlock("run")
	return trigger
}

// The mover succeeds: the step ends with its last words. Then once more, for a sync that it starts.
func TestMoved(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.MayStartSync()
	replicate(s, repository)
	r := s.Run("await-synced", "--trigger", good(s), "--timeout", "15m").Ends(harness.OK)
	if r.Value("mover-result") != "Successful" || r.Value("mover-log") == "" || r.Value("synced-at") == "" {
		t.Errorf("got %s", r.Stdout)
	}
	r = s.Run("run", "--run-id", "second", "--quiesce", "true", "--unquiesce", "true",
		"--start-sync", "--await-synced", "--sync-timeout", "15m").Ends(harness.OK)
	if r.Value("mover-result") != "Successful" || r.Value("synced-at") == "" {
		t.Errorf("got %s", r.Stdout)
	}
	s.SyncsBy("first", "")
}

// The mover fails, for its repository cannot be written: the copy is good, and not yet a backup. When
// that is mended, VolSync's next try moves the data of the same copy.
func TestMoverFails(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	replicate(s, "/nowhere/restic")
	trigger := good(s)
	s.Run("await-synced", "--trigger", trigger, "--timeout", "45s").Ends(harness.Unsynced).Error("the copy is good")
	patch, err := json.Marshal(map[string]any{"stringData": map[string]string{"RESTIC_REPOSITORY": repository}})
	s.Must(err)
	_, err = s.Kube().CoreV1().Secrets(s.Namespace).
		Patch(s.Ctx, "repository", types.MergePatchType, patch, metav1.PatchOptions{})
	s.Must(err)
	s.Run("await-synced", "--trigger", trigger, "--timeout", "20m").Ends(harness.OK)
	s.Copied(1)
}
