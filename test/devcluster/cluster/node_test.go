package cluster

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// requireNode skips tests that need a node, unless they are asked for.
func requireNode(t *testing.T) {
	t.Helper()
	if os.Getenv("COPYTRIGGER_E2E_TESTS") == "" {
		t.Skip("starts a node, as root; set COPYTRIGGER_E2E_TESTS=1 (and run devcluster build --node)")
	}
}

// TestNode runs a pod, and looks for traces of the node on the machine: while it is there,
// and after its owner was killed.
func TestNode(t *testing.T) {
	requireNode(t)
	adopt(t)
	before := tracesOf(t)
	dir, err := os.MkdirTemp("", "node-") // t.TempDir is too long for the kubelet's sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	owner, c := ownedBy(t, "TestNodeOwner", "COPYTRIGGER_OWNED_NODE", dir)
	t.Cleanup(func() { c.Stop() })
	runPod(t, c)
	components, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var groups []int
	for _, s := range components {
		groups = append(groups, s.Pid)
	}

	// One listener, for the API server; the processes and the cgroup.
	own := belongingsOf(t, c, components)
	if got := tracesOf(t).beyond(before).of(own); len(got.processes) == 0 || len(got.listeners) != 1 ||
		len(got.mounts) != 0 ||
		len(got.interfaces) != 0 ||
		len(got.cgroups) == 0 {
		t.Errorf("the running node shows as %+v", got)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	waitGone(t, groups...)
	if err := Down(t.Context(), Options{Dir: dir}); err != ErrDown {
		t.Errorf("down: got %v, want %v", err, ErrDown)
	}
	if got := tracesOf(t).beyond(before).of(own); !got.none() {
		t.Errorf("left behind: %+v", got)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("left behind: the folder")
	}
}

// TestNodeOwner is not a test but the process that is killed.
func TestNodeOwner(t *testing.T) {
	dir := os.Getenv("COPYTRIGGER_OWNED_NODE")
	if dir == "" {
		t.Skip("runs as a part of TestNode")
	}
	c, err := Up(t.Context(), Options{Dir: dir, Node: true, Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	os.Stdout.WriteString("up\n")
	c.Wait(t.Context())
}

// runPod runs a pod that writes to a volume of the driver.
func runPod(t *testing.T, c *Cluster) {
	t.Helper()
	s := newSite(t, c, "node")
	s.must(c.defaultAccount(s.ctx, "node"))
	_, err := c.client.CoreV1().Pods("node").Create(s.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "writer"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "writer", Image: DebianImage,
				Command:      []string{"sh", "-ec", "kubectl get --raw /version >/dev/null; echo written >/data/file"},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
				Env:          []corev1.EnvVar{{Name: "HOME", Value: "/tmp"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
			}}},
		},
	}, metav1.CreateOptions{})
	s.must(err)
	pods := claims()
	pods.Resource = "pods"
	pod := s.until(pods, "writer", "ended", func(o *unstructured.Unstructured) bool {
		phase := text(o, "status", "phase")
		return phase == "Succeeded" || phase == "Failed"
	})
	if got := text(pod, "status", "phase"); got != "Succeeded" {
		log, _ := c.client.CoreV1().Pods("node").GetLogs("writer", &corev1.PodLogOptions{}).DoRaw(s.ctx)
		t.Fatalf("the pod has %s: %s", got, log)
	}
	volume, err := c.VolumeDir(s.ctx, "node", "data")
	s.must(err)
	if got, err := os.ReadFile(filepath.Join(volume, "file")); string(got) != "written\n" {
		t.Errorf("the volume has %q, %v", got, err)
	}
}
