package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// An admission webhook that changes what the program writes is met while nothing is frozen; one
// that does so only when it counts leaves nothing armed and nothing locked.
func TestWebhookChangesWhatIsWritten(t *testing.T) {
	t.Parallel()
	const trigger, lock = "volsync.backube/copy-trigger", "copytrigger/locked-by"
	for name, c := range map[string]struct {
		annotation, to string
		dryRun         bool
		says           string
	}{
		"strips the trigger":   {trigger, "", true, trigger + ` came back as "" instead of "run.`},
		"rewrites the trigger": {trigger, "x", true, trigger + ` came back as "x" instead of "run.`},
		"strips the lock":      {lock, "", false, lock + ` came back as "" instead of "run`},
		"rewrites the lock":    {lock, "x", false, lock + ` came back as "x/held" instead of "run`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			s.ReplicateAndWait(harness.Source{})
			webhook(s, c.annotation, c.to, c.dryRun)
			s.Run("await-waiting", "--run-id", "run").Ends(harness.Refused).Error(c.says).
				Hint("kubectl get mutatingwebhookconfigurations")
			s.LeftUnlocked()
			s.Leaves("", "", harness.Waiting)
		})
	}
	t.Run("rewrites the trigger, but not in a dry run", func(t *testing.T) {
		t.Parallel()
		s := harness.New(t)
		s.ReplicateAndWait(harness.Source{})
		fired := s.AwaitWaiting("run")
		s.DeleteSource() // or VolSync takes what the webhook has made of it, perhaps
		webhook(s, trigger, "x", false)
		s.Run("fire-trigger", "--trigger", fired).Ends(harness.Refused)
		s.Leaves("", "", harness.Waiting)
	})
}

// webhook sets an annotation of the site's claim to another value whenever copytrigger writes it,
// once; "" removes it.
func webhook(s *harness.Site, annotation, to string, dryRun bool) {
	s.Helper()
	harness.Need(s.T, harness.ClusterWide)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = mutation(review.Request, annotation, to, dryRun)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	s.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ignore, none := registrationv1.Ignore, registrationv1.SideEffectClassNone
	hooks := s.Kube().AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := hooks.Create(s.Ctx, &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Webhooks: []registrationv1.MutatingWebhook{{
			Name: "changes.copytrigger.test", FailurePolicy: &ignore, SideEffects: &none,
			AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.Namespace},
			},
			ClientConfig: registrationv1.WebhookClientConfig{URL: &server.URL, CABundle: ca},
			Rules: []registrationv1.RuleWithOperations{{
				Operations: []registrationv1.OperationType{registrationv1.Update},
				Rule: registrationv1.Rule{
					APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"persistentvolumeclaims"},
				},
			}},
		}},
	}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() { s.Must(hooks.Delete(context.Background(), s.Namespace, metav1.DeleteOptions{})) })
	// The API server hears of it in its own time: until then a write comes back as it is.
	s.Eventually("the webhook is asked", func() bool {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"try.0123456789abcdef"}}}`, annotation)
		got, err := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).Patch(s.Ctx, harness.Claim,
			"application/merge-patch+json", []byte(patch), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		s.Must(err)
		return got.Annotations["copytrigger.test/asked"] == "yes"
	})
}

// mutation is what the webhook answers. Of a dry run it changes the annotation only with dryRun;
// that it was asked it always shows there.
func mutation(r *admissionv1.AdmissionRequest, annotation, to string, dryRun bool) *admissionv1.AdmissionResponse {
	answer := &admissionv1.AdmissionResponse{UID: r.UID, Allowed: true}
	var was, is metav1.PartialObjectMetadata
	if json.Unmarshal(r.OldObject.Raw, &was) != nil || json.Unmarshal(r.Object.Raw, &is) != nil {
		return answer
	}
	try := r.DryRun != nil && *r.DryRun
	value := is.Annotations[annotation]
	written := value != "" && value != was.Annotations[annotation]
	changed := map[string]string{}
	for key, value := range is.Annotations {
		changed[key] = value
	}
	if try {
		changed["copytrigger.test/asked"] = "yes"
	}
	if written && try == dryRun {
		if changed[annotation] = to; to == "" {
			delete(changed, annotation)
		}
	}
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/metadata/annotations", "value": changed}})
	if err != nil {
		return answer
	}
	kind := admissionv1.PatchTypeJSONPatch
	answer.Patch, answer.PatchType = patch, &kind
	return answer
}
