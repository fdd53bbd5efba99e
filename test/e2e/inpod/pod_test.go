package inpod

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// execRole is the shipped Role's rules.
func execRole(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../../rbac/exec/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.Role
	if err := yaml.UnmarshalStrict([]byte(strings.SplitN(string(text), "\n---\n", 2)[0]), &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// site is a namespace with an application whose pod mounts the claim, and an account with the
// shipped rights.
func site(t *testing.T) *harness.Site {
	t.Helper()
	harness.Need(t, harness.Engine)
	s := harness.New(t)
	container := corev1.Container{
		Name: "main", Image: cluster.DebianImage, Command: []string{"sleep", "infinity"},
		VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
	}
	second := corev1.Container{Name: "beside", Image: cluster.DebianImage, Command: []string{"sleep", "infinity"}}
	grace := int64(1)
	_, err := s.Kube().CoreV1().Pods(s.Namespace).Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "db-0"},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{container, second},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: harness.Claim},
			}}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	awaitRunning(s, "db-0")
	return s.With(s.Account("in-pod", append(harness.LeastRole(), execRole(t)...)))
}

func awaitRunning(s *harness.Site, pod string) {
	s.Await(schema.GroupVersionResource{Version: "v1", Resource: "pods"}, pod, "running",
		func(o *unstructured.Unstructured) bool {
			phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
			return phase == "Running"
		})
}

// What kubelet and runtime make of commands, and what of it is told apart.
func TestExec(t *testing.T) {
	t.Parallel()
	s := site(t)
	r := s.Run("exec", "--", "sh", "-c", "echo one; echo two >&2; cat; echo three").Ends(harness.OK)
	r.Says("[db-0] one\n", "[db-0] two\n", "[db-0] three\n")
	for name, want := range map[string]string{"pod": "db-0", "container": "main", "exit-code": "0"} {
		if got := r.Value(name); got != want {
			t.Errorf("result %s is %q, want %q", name, got, want)
		}
	}
	s.Run("exec", "--command", "exit 42").Exits(42).Says("ended with exit code 42")
	s.Run("exec", "--command", "exit 127").Exits(127)
	s.Run("exec", "--command", "kill -KILL $$").Exits(137)
	s.Run("exec", "--", "psqll").Ends(harness.Refused).Error("there is no program psqll")
	s.Run("exec", "--container", "beside", "--command", "[ ! -e /data ]").Ends(harness.OK)
	s.Run("exec", "--container", "none", "--", "true").Ends(harness.Refused).Error("it has main, beside")
	s.Run("exec", "--pod", "none", "--", "true").Ends(harness.Refused).Error("pod " + s.Namespace + "/none is not there")
	s.Run("exec", "--timeout", "3s", "--", "sleep", "600").Exits(124).Error("which may go on there")
	s.Run("exec", "--command", "head -c 20000000 /dev/urandom; exit 9").Exits(9)
	s.Run("exec", "--command", "head -c 100000000 /dev/zero; exit 9").Exits(9)
	s.Run("exec", "--command", "read answer </dev/tty || exit 9").Exits(9)
	s.Run("exec", "--command", "read answer || exit 9").Exits(9)
	s.Run("exec", "--command", "sleep 600 & exit 5").Exits(5)
}

// Without the right nothing is frozen, nor locked, and the Role is named.
func TestNoRight(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	flags := []string{"--in-pod", "--quiesce", "touch /data/on", "--unquiesce", "exit 0", "--timeout", "1m"}
	no := s.With(s.Account("no-pods", harness.LeastRole()))
	no.Run("run", flags...).Ends(harness.Refused).Error("nothing was quiesced").Hint("Role copytrigger-exec")
	only := s.With(s.Account("no-exec", append(harness.LeastRole(), execRole(t)[0])))
	only.Run("run", flags...).Ends(harness.Refused).Error("nothing was quiesced").Hint("Role copytrigger-exec")
	s.Run("exec", "--command", "[ ! -e /data/on ]").Ends(harness.OK)
}

// An image without a shell takes no line for one, and that is known before anything is frozen.
func TestNoShell(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	_, err := s.Kube().CoreV1().Pods(s.Namespace).Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "bare"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "copytrigger.test/pause:1"}}},
	}, metav1.CreateOptions{})
	s.Must(err)
	awaitRunning(s, "bare")
	s.Run("exec", "--pod", "bare", "--command", "echo x").Ends(harness.Refused).Error("has no /bin/sh").Hint("JSON array")
	s.Run("run", "--in-pod", "--pod", "bare", "--quiesce", "echo x", "--unquiesce", "exit 0").Ends(harness.Refused).
		Error("nothing was quiesced").Hint("JSON array")
	s.Run("run", "--in-pod", "--container", "none", "--hold", holds).Ends(harness.Refused).Error("it has main, beside")
	s.Copied(0)
}

// A hold that never says its line has quiesced nothing that counts: nothing is fired, and its stdin
// ends.
func TestHoldNeverSaysItsLine(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	s.Run("run", "--in-pod", "--max-freeze", "10s", "--hold", "cat; echo let go >>/tmp/log").
		Ends(harness.TimedOut).Error("has not said \"QUIESCED\" in time")
	s.Eventually("the hold to let go", func() bool {
		return s.Run("exec", "--command", "grep 'let go' /tmp/log").Code == 0
	})
	s.Copied(0)
}

func TestRunInPod(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	r := s.Run("run", "--in-pod", "--quiesce", "echo on $COPYTRIGGER_PVCS >>/tmp/log",
		"--unquiesce", "echo off >>/tmp/log").Ends(harness.OK)
	t.Logf("quiesce took %s s, unquiesce %s s", r.Value("quiesce-seconds"), r.Value("unquiesce-seconds"))
	s.Run("exec", "--", "cat", "/tmp/log").Ends(harness.OK).Says("[db-0] on data\n[db-0] off\n")
}

const holds = "echo QUIESCED; cat; echo let go >>/tmp/log"

func TestHoldInPod(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	s.Run("run", "--in-pod", "--hold", holds).Ends(harness.OK)
	s.Run("exec", "--", "cat", "/tmp/log").Ends(harness.OK).Says("[db-0] let go\n")
}

// The process that holds is killed: the connection ends, and the command in the pod finds the end
// of its stdin.
func TestHoldLetsGoWhenItsConnectionIsCut(t *testing.T) {
	t.Parallel()
	s := site(t)
	h := s.Hold()
	s.ReplicateAndWait(harness.Source{SnapshotClass: h.Class()})
	p := s.Start("run", "--in-pod", "--hold", holds)
	p.Says("[db-0] QUIESCED")
	p.Kill()
	s.Eventually("the hold to let go", func() bool {
		return s.Run("exec", "--command", "grep 'let go' /tmp/log").Code == 0
	})
}

// The pod is replaced in the freeze: unquiesce runs in the new one, and the copy is not proved.
func TestPodReplacedInTheFreeze(t *testing.T) {
	t.Parallel()
	s := site(t)
	s.ReplicateAndWait(harness.Source{})
	pods := s.Kube().CoreV1().Pods(s.Namespace)
	old, err := pods.Get(s.Ctx, "db-0", metav1.GetOptions{})
	s.Must(err)
	p := s.Start("run", "--in-pod", "--quiesce", "echo frozen; while [ ! -e /data/go ]; do sleep 0.1; done",
		"--unquiesce", "echo off >/tmp/off")
	p.Says("[db-0] frozen")
	// The connection to the old pod breaks with it, and quiesce has not ended: nothing is fired.
	s.Must(pods.Delete(s.Ctx, "db-0", metav1.DeleteOptions{}))
	s.Eventually("the pod to be gone", func() bool {
		_, err := pods.Get(s.Ctx, "db-0", metav1.GetOptions{})
		return err != nil
	})
	again := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0"}, Spec: old.Spec}
	again.Spec.NodeName = ""
	_, err = pods.Create(s.Ctx, again, metav1.CreateOptions{})
	s.Must(err)
	awaitRunning(s, "db-0")
	p.End().Ends(harness.Refused)
	s.Run("exec", "--", "cat", "/tmp/off").Ends(harness.OK).Says("[db-0] off\n")
}

// The kubelet dies with the connections: the API server takes that for a good end of the command,
// and this program does not. Not parallel: it is everybody's kubelet.
func TestKubeletDies(t *testing.T) {
	s := site(t)
	p := s.Start("exec", "--", "sh", "-c", "echo begun; sleep 600")
	p.Says("[db-0] begun")
	kubelet := s.Cluster().Component("kubelet")
	s.Must(kubelet.Kill(s.Ctx))
	t.Cleanup(func() { s.Must(kubelet.Start(s.Ctx)) })
	r := p.End().Exits(harness.Failed).Error("which may go on there")
	t.Log(r.Value("reason"))
}
