package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// mayList gives the account of a group the Role of rbac/selector.
func mayList(g *harness.Group) {
	g.Helper()
	text, err := os.ReadFile("../../rbac/selector/role.yaml")
	g.Must(err)
	parts := strings.Split(string(text), "\n---\n")
	role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
	g.Must(yaml.UnmarshalStrict([]byte(parts[0]), role))
	g.Must(yaml.UnmarshalStrict([]byte(parts[1]), binding))
	binding.Subjects[0].Name, binding.Subjects[0].Namespace = "copytrigger-group", g.Namespace
	_, err = g.Kube().RbacV1().Roles(g.Namespace).Create(g.Ctx, role, metav1.CreateOptions{})
	g.Must(err)
	_, err = g.Kube().RbacV1().RoleBindings(g.Namespace).Create(g.Ctx, binding, metav1.CreateOptions{})
	g.Must(err)
	g.AwaitAllowed("copytrigger-group", role.Rules[0], "list")
}

// labelled is a group of n claims, whose account may list claims, and of which the first ones have the
// label app=db.
func labelled(t *testing.T, n, first int) *harness.Group {
	t.Helper()
	g := groupOf(t, n)
	mayList(g)
	for _, m := range g.Members[:first] {
		label(m, "db")
	}
	return g
}

// label gives a claim the label app.
func label(s *harness.Site, app string) {
	s.Helper()
	patch := []byte(`{"metadata":{"labels":{"app":"` + app + `"}}}`)
	_, err := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).
		Patch(s.Ctx, s.ClaimName(), types.MergePatchType, patch, metav1.PatchOptions{})
	s.Must(err)
}

// A run by labels: its later steps mean the claims that it has locked, and its results name them.
func TestSelector(t *testing.T) {
	t.Parallel()
	g := labelled(t, 3, 2)
	sel := []string{"-l", "app=db"}
	step := func(code int, args ...string) *harness.Result {
		g.Helper()
		return g.StartRaw(append(args[:1:1], append(sel, args[1:]...)...)...).End().EndsTogether(code)
	}
	r := step(harness.OK, "await-waiting", "--run-id", "run")
	if got := fmt.Sprint(r.Values["pvcs"]); got != "[data data-01]" {
		t.Errorf("pvcs is %s", got)
	}
	trigger := r.Value("trigger")
	g.Members[2].LeftUnlocked()

	joined := g.Members[2] // nothing is fired without it
	label(joined, "db")
	step(harness.Refused, "fire-trigger", "--trigger", trigger).Error("claim data-02 has joined")
	all(g, "", "", harness.Waiting)
	label(joined, "mail")
	label(g.Members[1], "mail") // what has left stays a member
	step(harness.OK, "fire-trigger", "--trigger", trigger)
	step(harness.OK, "await-completed", "--trigger", trigger, "--timeout", "10m")
	all(g, trigger, trigger, harness.Completed, 2)
	step(harness.OK, "unlock", "--run-id", "run")
	locked(g, "")
	joined.Leaves("", "", harness.Waiting)
}

// The cleanup of a run by labels takes what carries the run's lock or trigger, and leaves a claim that
// another run has alone.
func TestCleanupBySelector(t *testing.T) {
	t.Parallel()
	g := labelled(t, 3, 2)
	r := g.StartRaw("await-waiting", "-l", "app=db", "--run-id", "run").End().EndsTogether(harness.OK)
	g.StartRaw("fire-trigger", "-l", "app=db", "--trigger", r.Value("trigger")).End().EndsTogether(harness.OK)
	label(g.Members[1], "mail")
	other := g.Members[2]
	label(other, "db")
	other.AwaitWaiting("other")

	log := t.TempDir() + "/log"
	g.StartRaw("cleanup", "-l", "app=db", "--run-id", "run", "--run-ended", "--unquiesce", "echo again >"+log).
		End().Exits(0)
	for _, m := range g.Members[:2] {
		m.LeftUnlocked()
	}
	other.LeftLocked("other/held")
	if text, err := os.ReadFile(log); err != nil || string(text) != "again\n" {
		t.Errorf("it was not let go: %q (%v)", text, err)
	}
}

// Bad input: the member is named, and nothing is written to any.
func TestSelectorRefuses(t *testing.T) {
	t.Parallel()
	t.Run("none has the labels", func(t *testing.T) {
		t.Parallel()
		g := labelled(t, 2, 0)
		g.StartRaw("await-waiting", "-l", "app=db", "--run-id", "run").End().EndsTogether(harness.Refused).
			Error("PVCs of namespace " + g.Namespace + " with labels app=db: no claim has these labels").
			Hint("kubectl get pvc -n " + g.Namespace + " --show-labels")
		locked(g, "")
	})
	t.Run("claims may not be listed", func(t *testing.T) {
		t.Parallel()
		g := groupOf(t, 2)
		g.StartRaw("await-waiting", "-l", "app=db", "--run-id", "run").End().EndsTogether(harness.Refused).
			Error("is forbidden").Hint("rbac/selector")
		locked(g, "")
	})
	t.Run("one that may not be written", func(t *testing.T) {
		t.Parallel()
		g := labelled(t, 2, 2)
		foreign := &corev1.PersistentVolumeClaim{ // has the labels, and stands in no Role
			ObjectMeta: metav1.ObjectMeta{Name: "foreign", Labels: map[string]string{"app": "db"}},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: harness.StorageClass(),
				AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceStorage: resource.MustParse("1Gi"),
				}},
			},
		}
		_, err := g.Kube().CoreV1().PersistentVolumeClaims(g.Namespace).Create(g.Ctx, foreign, metav1.CreateOptions{})
		g.Must(err)
		g.StartRaw("await-waiting", "-l", "app=db", "--run-id", "run").End().EndsTogether(harness.Refused).
			Error("foreign")
		locked(g, "")
	})
	t.Run("another joins while it waits", func(t *testing.T) {
		t.Parallel()
		g := labelled(t, 2, 1)
		g.Annotate(harness.LockedBy, "other/cleanup/x")
		p := g.StartRaw("await-waiting", "-l", "app=db", "--run-id", "run", "--timeout", "5m")
		p.Says("the cleanup of run other has locked it")
		label(g.Members[1], "db")
		g.Annotate(harness.LockedBy, "")
		p.End().EndsTogether(harness.Refused).Error("claim data-01 has joined since the run began")
		locked(g, "")
	})
	t.Run("one wrong name of 51", func(t *testing.T) {
		t.Parallel()
		g := harness.New(t).Together(2)
		args := []string{"await-waiting", "--run-id", "run", "--pvc", "data,data-01"}
		for i := range 48 {
			args = append(args, "--pvc", fmt.Sprintf("data-%02d", i+2))
		}
		g.StartRaw(append(args, "--pvc", "Data")...).End().Exits(64).Says(`"Data" is not a claim's name`)
		locked(g, "")
	})
}
