package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const (
	restored = harness.Nightly + "-restored"
	scratch  = "volsync-" + restored + "-dest"
	until    = "copytrigger/restored-until"
)

var destinations = schema.GroupVersionResource{
	Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationdestinations",
}

// restoreRole is the Role of rbac/check-restore, and what every command needs.
func restoreRole() []rbacv1.PolicyRule {
	rule := func(group, resource string, verbs ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	return append([]rbacv1.PolicyRule{
		rule("volsync.backube", "replicationdestinations", "create", "get", "watch", "delete"),
		rule("batch", "cronjobs", "get"),
		rule("batch", "jobs", "create", "get", "watch"),
		rule("", "persistentvolumeclaims", "get", "watch"),
		rule("", "pods", "list"),
		rule("", "pods/log", "get"),
	}, harness.LeastRole()...)
}

// restoring is a site whose account may restore, with a check. Its mover is rclone, whose restore needs no
// words in the log of a pod that does not run.
func restoring(t *testing.T, change func(*batchv1.CronJob)) *harness.Site {
	t.Helper()
	s := harness.New(t)
	s.Replicate(harness.Source{Mover: "rclone"})
	suspended := true
	cron := &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "check"},
		Spec: batchv1.CronJobSpec{
			Schedule: yearly, Suspend: &suspended,
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				NodeSelector:  map[string]string{"copytrigger.test/nowhere": "true"},
				Containers: []corev1.Container{{
					Name: "check", Image: "check", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
				}},
				Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: scratch},
				}}},
			}}}},
		},
	}
	if change != nil {
		change(cron)
	}
	_, err := s.Kube().BatchV1().CronJobs(s.Namespace).Create(s.Ctx, cron, metav1.CreateOptions{})
	s.Must(err)
	return s.With(s.Account("restorer", restoreRole()))
}

// nothingRestored asserts that nothing of a restore is there.
func nothingRestored(s *harness.Site) {
	s.Helper()
	_, err := s.Dynamic().Resource(destinations).Namespace(s.Namespace).Get(s.Ctx, restored, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		s.Fatalf("a ReplicationDestination is left: %v", err)
	}
	_, err = s.Kube().BatchV1().Jobs(s.Namespace).Get(s.Ctx, restored, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		s.Fatalf("a Job is left: %v", err)
	}
	_, err = s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).Get(s.Ctx, scratch, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		s.Fatalf("a claim is left: %v", err)
	}
}

func checkRestore(s *harness.Site, run string, more ...string) *harness.Process {
	s.Helper()
	return s.Start("check-restore", append([]string{"--cronjob=check", "--run-id=" + run, "--timeout=5m"}, more...)...)
}

func move(s *harness.Site) {
	s.Helper()
	s.Must(s.Cluster().CompleteJob(s.Ctx, s.Namespace, "volsync-dst-"+restored))
}

// VolSync makes the claim for the restore, which the ReplicationDestination owns, and all of it goes.
func TestCheckRestore(t *testing.T) {
	t.Parallel()
	s := restoring(t, nil)
	p := checkRestore(s, "run")
	move(s)
	s.Must(s.Cluster().CompleteJob(s.Ctx, s.Namespace, restored))
	r := p.End().Ends(harness.OK)
	if r.Value("check") != "Complete" || r.Value("restored-at") == "" || r.Value("scratch-pvc") != scratch {
		t.Errorf("got %s", r.Stdout)
	}
	nothingRestored(s)
}

// A check that fails; a restore that takes too long; a process that is told to stop.
func TestCheckRestoreEndsBadly(t *testing.T) {
	t.Parallel()
	s := restoring(t, func(c *batchv1.CronJob) { no := int32(0); c.Spec.JobTemplate.Spec.BackoffLimit = &no })
	p := checkRestore(s, "fails")
	move(s)
	failed(s)
	p.End().Ends(harness.Failed).Error("the check has failed")
	nothingRestored(s)

	checkRestore(s, "late", "--timeout=5s").End().Ends(harness.TimedOut).Error("VolSync restores the last copy")
	nothingRestored(s)

	p = checkRestore(s, "stopped")
	p.Says("VolSync restores the last copy")
	p.Signal(syscall.SIGTERM)
	p.End().Ends(harness.SIGTERM)
	nothingRestored(s)
}

// failed lets the pod of the check fail.
func failed(s *harness.Site) {
	s.Helper()
	s.Eventually("a pod of the check", func() bool {
		list, err := s.Kube().CoreV1().Pods(s.Namespace).List(s.Ctx, metav1.ListOptions{
			LabelSelector: "batch.kubernetes.io/job-name=" + restored,
		})
		s.Must(err)
		if len(list.Items) == 0 {
			return false
		}
		_, err = s.Kube().CoreV1().Pods(s.Namespace).Patch(s.Ctx, list.Items[0].Name, types.MergePatchType,
			[]byte(`{"status": {"phase": "Failed"}}`), metav1.PatchOptions{}, "status")
		s.Must(err)
		return true
	})
}

// A process that is killed leaves what it has made. The next attempt of its run goes on with that; another
// run is refused until its time has passed, and throws it away then.
func TestCheckRestoreIsKilled(t *testing.T) {
	t.Parallel()
	s := restoring(t, nil)
	p := checkRestore(s, "killed")
	p.Says("VolSync restores the last copy")
	p.Kill()
	p.End()
	checkRestore(s, "other").End().Ends(harness.Refused).Error("run killed restores to").Hint("kubectl delete")

	p = checkRestore(s, "killed")
	p.Says("of an earlier attempt")
	p.Kill()
	p.End()
	_, err := s.Dynamic().Resource(destinations).Namespace(s.Namespace).Patch(s.Ctx, restored, types.MergePatchType,
		[]byte(fmt.Sprintf(`{"metadata": {"annotations": {%q: "2000-01-01T00:00:00Z"}}}`, until)), metav1.PatchOptions{})
	s.Must(err)
	p = checkRestore(s, "other")
	p.Says("which run killed has left")
	p.Says("restoring the last copy")
	move(s)
	s.Must(s.Cluster().CompleteJob(s.Ctx, s.Namespace, restored))
	p.End().Ends(harness.OK)
	nothingRestored(s)
}

// What is wrong is refused before anything is made.
func TestCheckRestoreRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*batchv1.CronJob)
		then   func(*harness.Site)
		args   []string
		says   string
	}{
		"a CronJob that runs": {
			change: func(c *batchv1.CronJob) { no := false; c.Spec.Suspend = &no }, says: "is not suspended",
		},
		"no CronJob": {args: []string{"--cronjob=none"}, says: "CronJob none with the check is not there"},
		"the claim that is in use": {
			change: func(c *batchv1.CronJob) {
				c.Spec.JobTemplate.Spec.Template.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = harness.Claim
			},
			says: "which a ReplicationSource copies",
		},
		"no mount": {
			change: func(c *batchv1.CronJob) { c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].VolumeMounts = nil },
			says:   "mounts PVC " + scratch,
		},
		"another ReplicationDestination": {
			then: func(s *harness.Site) {
				_, err := s.Dynamic().Resource(destinations).Namespace(s.Namespace).Create(s.Ctx, &unstructured.Unstructured{
					Object: map[string]any{
						"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination",
						"metadata": map[string]any{"name": "theirs"}, "spec": map[string]any{"paused": true},
					},
				}, metav1.CreateOptions{})
				s.Must(err)
			},
			args: []string{"--name=theirs"}, says: "mounts PVC volsync-theirs-dest",
		},
		"a claim of the name": {
			then: func(s *harness.Site) {
				_, err := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).Create(s.Ctx, &corev1.PersistentVolumeClaim{
					ObjectMeta: metav1.ObjectMeta{Name: scratch},
					Spec: corev1.PersistentVolumeClaimSpec{
						AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
						Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
							corev1.ResourceStorage: resource.MustParse("1Gi"),
						}},
					},
				}, metav1.CreateOptions{})
				s.Must(err)
			},
			says: "would be overwritten",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := restoring(t, c.change)
			if c.then != nil {
				c.then(s)
			}
			checkRestore(s, "run", c.args...).End().Ends(harness.Refused).Error(c.says)
			_, err := s.Dynamic().Resource(destinations).Namespace(s.Namespace).Get(s.Ctx, restored, metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				t.Errorf("a ReplicationDestination was made: %v", err)
			}
		})
	}
}

// Without any one of its verbs it refuses, and makes nothing.
func TestEveryVerbOfCheckRestoreIsNeeded(t *testing.T) {
	t.Parallel()
	s := restoring(t, nil)
	for i, rule := range restoreRole()[:6] {
		if rule.Resources[0] == "persistentvolumeclaims" {
			continue // the least Role has it of some
		}
		for _, verb := range rule.Verbs {
			name := strings.NewReplacer("/", "-").Replace(verb + "-" + rule.Resources[0])
			lesser := s.With(s.Account(name, without(restoreRole(), i, verb)))
			checkRestore(lesser, "run").End().Ends(harness.Refused).
				Error(fmt.Sprintf("may not %s %s", verb, rule.Resources[0])).Hint("rbac/check-restore")
		}
	}
	nothingRestored(s)
}
