package recipes

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// What is shipped is applied, in a namespace that enforces Pod Security: the Job has a pod,
// which finds its run's id where the example looks for it.
func TestApplied(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"postgresql-checkpoint", "postgresql-backup", "mariadb", "mysql", "sqlite", "redis", "fsfreeze",
		"scale-to-zero",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			level := "restricted"
			if name == "fsfreeze" {
				level = "privileged"
			}
			enforce(s, level)
			cron := apply(s, read(s, name))
			job, err := s.Kube().BatchV1().Jobs(s.Namespace).Create(s.Ctx, &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: "now"}, Spec: cron.Spec.JobTemplate.Spec,
			}, metav1.CreateOptions{})
			s.Must(err)
			pod := podOf(s)
			if got := pod.Labels["batch.kubernetes.io/controller-uid"]; got != string(job.UID) {
				t.Errorf("the pod's label is %q, want %q", got, job.UID)
			}
		})
	}
}

func enforce(s *harness.Site, level string) {
	s.Helper()
	_, err := s.Kube().CoreV1().Namespaces().Patch(s.Ctx, s.Namespace, types.MergePatchType,
		[]byte(`{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "`+level+`"}}}`), metav1.PatchOptions{})
	s.Must(err)
}

// apply creates all that an example has. The site has an account of the same name already.
func apply(s *harness.Site, x *example) *batchv1.CronJob {
	s.Helper()
	kube, ns, created := s.Kube(), s.Namespace, metav1.CreateOptions{FieldValidation: "Strict"}
	var cron *batchv1.CronJob
	for _, o := range x.all {
		var err error
		switch o := o.(type) {
		case *batchv1.CronJob:
			cron, err = kube.BatchV1().CronJobs(ns).Create(s.Ctx, o, created)
		case *corev1.ConfigMap:
			_, err = kube.CoreV1().ConfigMaps(ns).Create(s.Ctx, o, created)
		case *corev1.Secret:
			_, err = kube.CoreV1().Secrets(ns).Create(s.Ctx, o, created)
		case *corev1.PersistentVolumeClaim:
			_, err = kube.CoreV1().PersistentVolumeClaims(ns).Create(s.Ctx, o, created)
		case *rbacv1.Role:
			if o.Name != x.cron.Spec.JobTemplate.Spec.Template.Spec.ServiceAccountName {
				_, err = kube.RbacV1().Roles(ns).Create(s.Ctx, o, created)
			}
		case *rbacv1.RoleBinding:
			if o.Name != x.cron.Spec.JobTemplate.Spec.Template.Spec.ServiceAccountName {
				_, err = kube.RbacV1().RoleBindings(ns).Create(s.Ctx, o, created)
			}
		}
		s.Must(err)
	}
	return cron
}

// podOf waits for the pod of the Job.
func podOf(s *harness.Site) *corev1.Pod {
	s.Helper()
	w, err := s.Kube().
		CoreV1().
		Pods(s.Namespace).
		Watch(s.Ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=now"})
	s.Must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		if pod, is := e.Object.(*corev1.Pod); is {
			return pod
		}
	}
	s.Fatalf("the Job has no pod: %v", s.Ctx.Err())
	return nil
}
