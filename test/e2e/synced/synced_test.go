package synced

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// repository is where restic's is, on the claim of that name.
const repository = "/mnt/repository/restic"

func sources() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
}

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
	volume := map[string]any{"mountPath": "repository", "volumeSource": map[string]any{
		"persistentVolumeClaim": map[string]any{"claimName": "repository"},
	}}
	_, err = s.Dynamic().Resource(sources()).Namespace(s.Namespace).Create(s.Ctx, &unstructured.Unstructured{
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

// good is a copy that is good, of a claim with something to back up.
func good(s *harness.Site) (trigger string) {
	s.Helper()
	s.Must(os.WriteFile(filepath.Join(s.VolumeDir(), "data"), []byte("data"), 0o644))
	trigger = s.AwaitWaiting("run")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	s.Unlock("run")
	return trigger
}

// moverFails waits until a pod of the mover has failed, and said why. VolSync's Job goes on to try, and
// VolSync tells its result only when that has given up, after a quarter of an hour and more. So the step
// that waits for the data gives up, with a good copy.
func moverFails(s *harness.Site, trigger, says string) {
	s.Helper()
	pods := s.Kube().CoreV1().Pods(s.Namespace)
	s.Eventually("a mover to fail", func() bool {
		list, err := pods.List(s.Ctx, metav1.ListOptions{
			LabelSelector: "batch.kubernetes.io/job-name=volsync-src-" + harness.Nightly,
			FieldSelector: "status.phase=" + string(corev1.PodFailed),
		})
		s.Must(err)
		return slices.ContainsFunc(list.Items, func(pod corev1.Pod) bool { // one may have failed before it said anything
			log, err := pods.GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(s.Ctx)
			return err == nil && strings.Contains(string(log), says)
		})
	})
	r := s.Run("await-synced", "--trigger", trigger, "--timeout", "5s").Ends(harness.Unsynced).Error("the copy is good")
	if r.Value("synced-at") != "" || r.Value("mover-result") == "Successful" {
		s.Fatalf("got %s", r.Stdout)
	}
}

// The mover succeeds: the step ends with its last words. Then once more, for a sync that it starts.
func TestMoved(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.MayStartSync()
	replicate(s, repository)
	r := s.Run("await-synced", "--trigger", good(s), "--timeout", "15m").Ends(harness.OK)
	if r.Value("mover-result") != "Successful" || !strings.Contains(r.Value("mover-log"), "saved") ||
		r.Value("synced-at") == "" {
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
	replicate(s, "/proc/restic")
	trigger := good(s)
	moverFails(s, trigger, "/proc/restic")
	patch, err := json.Marshal(map[string]any{"stringData": map[string]string{"RESTIC_REPOSITORY": repository}})
	s.Must(err)
	_, err = s.Kube().CoreV1().Secrets(s.Namespace).
		Patch(s.Ctx, "repository", types.MergePatchType, patch, metav1.PatchOptions{})
	s.Must(err)
	s.Run("await-synced", "--trigger", trigger, "--timeout", "20m").Ends(harness.OK)
	s.Copied(1)
}

// Another process of restic has the repository locked. When it is gone, VolSync's next try moves the data
// of the same copy.
func TestRepositoryIsLocked(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.MayStartSync()
	replicate(s, repository)
	s.Run("await-synced", "--trigger", good(s), "--timeout", "15m").Ends(harness.OK)

	release := lockRepository(s)
	s.Run("run", "--run-id", "second", "--quiesce", "true", "--unquiesce", "true", "--start-sync").Ends(harness.OK)
	trigger := s.Marks().Latest
	moverFails(s, trigger, "already locked")
	release()
	s.Run("await-synced", "--trigger", trigger, "--timeout", "20m").Ends(harness.OK)
}

// lockRepository has restic lock the repository for itself, until release: it waits for a password that
// nobody gives.
func lockRepository(s *harness.Site) (release func()) {
	s.Helper()
	const script = "mkfifo /tmp/password && exec restic key passwd --new-password-file=/tmp/password"
	pods := s.Kube().CoreV1().Pods(s.Namespace)
	_, err := pods.Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "locker"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "restic", Image: cluster.MoverImage, ImagePullPolicy: corev1.PullNever,
				Command: []string{"bash", "-ec", script},
				EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: "repository"},
				}}},
				VolumeMounts: []corev1.VolumeMount{{Name: "repository", MountPath: "/mnt/repository"}},
			}},
			Volumes: []corev1.Volume{{Name: "repository", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "repository"},
			}}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	dir := filepath.Join(s.VolumeDirOf("repository"), "restic", "locks")
	s.Eventually("the repository to be locked", func() bool {
		locks, err := os.ReadDir(dir)
		s.Must(err)
		return len(locks) > 0
	})
	return func() {
		s.Must(pods.Delete(s.Ctx, "locker", metav1.DeleteOptions{}))
		s.Eventually("restic to take its lock away", func() bool {
			locks, err := os.ReadDir(dir)
			s.Must(err)
			return len(locks) == 0
		})
	}
}
