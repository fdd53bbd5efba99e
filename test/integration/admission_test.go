package integration

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const (
	pending   = "pending" // a claim that is not bound: its spec can be changed
	labelling = `{"metadata":{"labels":{"x":"y"}}}`
)

// With the policy in force the program does all that it does without, and whoever gets
// hold of its account can do no more than that.
func TestAdmission(t *testing.T) {
	t.Parallel()
	s, kubeconfig := restrictedSite(t)
	bound := patcher(s, kubeconfig)
	free := patcher(s, s.Account("free", patcherRole()))
	s.Annotate("other", "stays")

	// What the Role allows, and the policy does not.
	for name, patch := range map[string]struct{ claim, text, of string }{
		"another annotation": {harness.Claim, `{"metadata":{"annotations":{"x":"y"}}}`, ""},
		"together with the trigger": {
			harness.Claim, `{"metadata":{"annotations":{"volsync.backube/copy-trigger":"x","x":"y"}}}`, "",
		},
		"another of our prefix": {harness.Claim, `{"metadata":{"annotations":{"copytrigger/other":"x"}}}`, ""},
		"a changed annotation":  {harness.Claim, `{"metadata":{"annotations":{"other":"changed"}}}`, ""},
		"without an annotation": {harness.Claim, `{"metadata":{"annotations":{"other":null}}}`, ""},
		"without annotations":   {harness.Claim, `{"metadata":{"annotations":null}}`, ""},
		"without use-copy-trigger": {
			harness.Claim, `{"metadata":{"annotations":{"volsync.backube/use-copy-trigger":null}}}`, "",
		},
		"VolSync's latest-copy-trigger": {
			harness.Claim, `{"metadata":{"annotations":{"volsync.backube/latest-copy-trigger":"x"}}}`, "",
		},
		"a label":            {harness.Claim, labelling, ""},
		"without finalizers": {harness.Claim, `{"metadata":{"finalizers":null}}`, ""},
		"an owner": {
			harness.Claim,
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x",` +
				`"uid":"1b4e28ba-2fa1-11d2-883f-0016d3cca427"}]}}`,
			"",
		},
		"the spec":   {pending, `{"spec":{"volumeName":"x"}}`, ""},
		"the status": {harness.Claim, `{"status":{"capacity":{"storage":"2Gi"}}}`, "status"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := bound(patch.claim, patch.text, patch.of); !refusedByPolicy(err) {
				t.Errorf("the account that is restricted: %v", err)
			}
			if err := free(patch.claim, patch.text, patch.of); err != nil {
				t.Errorf("an account that is not: %v", err)
			}
		})
	}

	s = s.With(kubeconfig)
	s.ReplicateAndWait(harness.Source{})
	trigger := s.AwaitWaiting("run")
	s.Fire(trigger)
	s.AwaitCompleted(trigger)
	s.Leaves(trigger, trigger, harness.Completed)
	s.Copied(1)
	s.Run("unlock", "--run-id", "run", "--outcome", "ok").Ends(harness.OK)
	s.LeftUnlocked()
	if left := s.Annotations(); !strings.Contains(left["copytrigger/last-run"], `"outcome":"ok"`) ||
		left["copytrigger/last-good-copy"] == "" {
		t.Errorf("left %q", left)
	}
}

// What disarm writes, it may write as well: here it deletes the annotation.
func TestAdmissionOfDisarm(t *testing.T) {
	t.Parallel()
	s, kubeconfig := restrictedSite(t)
	s = s.With(kubeconfig)
	s.Orphan()
	s.Fire(s.AwaitWaiting("run", "--pvc-only"), "--pvc-only")
	s.Run("disarm", "--run-id", "run").Exits(harness.OK).Outcome("withdrawn")
	s.Leaves("", "", harness.Waiting)
}

// patcherRole is the Role, and all else that the policy has to take away again.
func patcherRole() []rbacv1.PolicyRule {
	return append(
		harness.LeastRole(),
		rbacv1.PolicyRule{
			APIGroups:     []string{""},
			Resources:     []string{"persistentvolumeclaims"},
			Verbs:         []string{"patch"},
			ResourceNames: []string{pending},
		},
		rbacv1.PolicyRule{
			APIGroups:     []string{""},
			Resources:     []string{"persistentvolumeclaims/status"},
			Verbs:         []string{"patch"},
			ResourceNames: []string{harness.Claim},
		},
	)
}

// restrictedSite is a site with an account that the shipped policy restricts, and with
// the policy in force. The policy is for the whole cluster, and all other tests have an
// account named copytrigger; here it is for one that is named like the namespace.
func restrictedSite(t *testing.T) (*harness.Site, string) {
	t.Helper()
	harness.Need(t, harness.ClusterWide)
	s := harness.New(t)
	class := ""
	_, err := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).Create(s.Ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: pending},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	kubeconfig := s.Account(s.Namespace, patcherRole())
	try := patcher(s, kubeconfig)
	s.Must(try(harness.Claim, labelling, ""))
	enforce(s)
	// The API server hears of it in its own time, and says so nowhere.
	for {
		err := try(harness.Claim, labelling, "")
		if refusedByPolicy(err) {
			return s, kubeconfig
		}
		s.Must(err)
		select {
		case <-s.Ctx.Done():
			t.Fatal("the policy does not get in force")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// enforce applies the shipped policy for the site's account.
func enforce(s *harness.Site) {
	s.Helper()
	text, err := os.ReadFile("../../tasks/admission/policy.yaml")
	s.Must(err)
	const account = ":copytrigger$"
	if bytes.Count(text, []byte(account)) != 1 {
		s.Fatalf("the policy does not name its account once: %s", text)
	}
	text = bytes.Replace(text, []byte(account), []byte(":"+s.Namespace+"$"), 1)
	first, second, _ := bytes.Cut(text, []byte("\n---\n"))
	var policy admissionv1.ValidatingAdmissionPolicy
	s.Must(yaml.UnmarshalStrict(first, &policy))
	var binding admissionv1.ValidatingAdmissionPolicyBinding
	s.Must(yaml.UnmarshalStrict(second, &binding))
	policy.Name, binding.Name, binding.Spec.PolicyName = s.Namespace, s.Namespace, s.Namespace

	of := s.Kube().AdmissionregistrationV1()
	_, err = of.ValidatingAdmissionPolicies().Create(s.Ctx, &policy, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() {
		s.Must(of.ValidatingAdmissionPolicies().Delete(context.Background(), policy.Name, metav1.DeleteOptions{}))
	})
	_, err = of.ValidatingAdmissionPolicyBindings().Create(s.Ctx, &binding, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() {
		s.Must(of.ValidatingAdmissionPolicyBindings().Delete(context.Background(), binding.Name, metav1.DeleteOptions{}))
	})
}

// patcher patches claims as the account of a kubeconfig, without lasting effect.
func patcher(s *harness.Site, kubeconfig string) func(claim, patch, of string) error {
	s.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	s.Must(err)
	client, err := kubernetes.NewForConfig(config)
	s.Must(err)
	return func(claim, patch, of string) error {
		var subresources []string
		if of != "" {
			subresources = append(subresources, of)
		}
		_, err := client.CoreV1().PersistentVolumeClaims(s.Namespace).Patch(s.Ctx, claim, types.MergePatchType, []byte(patch),
			metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}, subresources...)
		return err
	}
}

func refusedByPolicy(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy")
}
