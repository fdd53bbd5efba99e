package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallCluster answers each request by its method and path; what it does not know is not there.
func smallCluster(t *testing.T, answers map[string]string) (kubeconfig string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := r.Method != http.MethodGet && r.URL.Query().Get("dryRun") != "All"
		if kept && !strings.HasPrefix(r.URL.Path, "/apis/auth") {
			t.Errorf("it writes: %s %s", r.Method, r.URL)
		}
		answer, is := answers[r.Method+" "+r.URL.Path]
		if !is {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(answer, `"Failure"`) {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}],
contexts: [{name: c, context: {cluster: c, namespace: app}}]}`, server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

const (
	reviewPath = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	claimPath  = "/api/v1/namespaces/app/persistentvolumeclaims/data"
	allowed    = `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","status":{"allowed":true}}`
	denied     = `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","status":{"allowed":false}}`
	whoAmI     = `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview",` +
		`"status":{"userInfo":{"username":"ann"}}}`
	boundClaim = `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata",` +
		`"metadata":{"name":"data","namespace":"app",` +
		`"uid":"u","annotations":{"volsync.backube/use-copy-trigger":"","pv.kubernetes.io/bind-completed":"yes"}}}`
)

// checksOf runs check, and returns what it prints.
func checksOf(t *testing.T, code int, args ...string) checksJSON {
	t.Helper()
	got, stdout, stderr := ran(t, append([]string{"check", "--pvc", "data", "-o", "json"}, args...)...)
	if got != code {
		t.Fatalf("exit code %d, want %d: %s%s", got, code, stdout, stderr)
	}
	var object checksJSON
	if err := json.Unmarshal([]byte(stdout), &object); err != nil {
		t.Fatalf("%q: %v", stdout, err)
	}
	return object
}

func (o checksJSON) about(check string) (found checkedJSON) {
	for _, c := range o.Checks {
		if c.Check == check {
			return c
		}
	}
	return found
}

// Without VolSync check says so, and how to install it.
func TestCheckWithoutVolSync(t *testing.T) {
	noEnv(t)
	kubeconfig := smallCluster(t, map[string]string{
		"GET " + claimPath: boundClaim, "PATCH " + claimPath: boundClaim, reviewPath: allowed,
	})
	got := checksOf(t, 3, "--kubeconfig", kubeconfig).about("volsync")
	if got.Result != "refused" || !strings.Contains(got.Message, "VolSync is not installed") || len(got.Commands) != 2 {
		t.Errorf("got %+v", got)
	}
}

// A webhook that takes the lock away, as a dry run shows, is a refusal with the annotations in it.
func TestCheckMeetsAWebhook(t *testing.T) {
	noEnv(t)
	kubeconfig := smallCluster(t, map[string]string{
		"GET " + claimPath: boundClaim, "PATCH " + claimPath: boundClaim, reviewPath: allowed,
	})
	got := checksOf(t, 3, "--kubeconfig", kubeconfig, "--pvc-only")
	if a := got.about("admission"); a.Result != "refused" || !strings.Contains(a.Message,
		"copytrigger/locked-by came back as") {
		t.Errorf("got %+v", a)
	}
	if s := got.about("source"); s.Result != "warning" || !strings.Contains(s.Message, "--pvc-only") ||
		got.about("volsync").Check != "" {
		t.Errorf("got %+v", got)
	}
}

// Who may do nothing is told everything that is missing, once; it is no error, and nothing is passed
// off as fine.
func TestCheckWithoutAnyRight(t *testing.T) {
	noEnv(t)
	no := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`
	kubeconfig := smallCluster(t, map[string]string{
		"GET " + claimPath: no, "PATCH " + claimPath: no, reviewPath: denied,
		"POST /apis/authentication.k8s.io/v1/selfsubjectreviews":               whoAmI,
		"GET /apis/volsync.backube/v1alpha1/namespaces/app/replicationsources": no,
		"GET /api/v1/namespaces/app/pods":                                      no,
	})
	got := checksOf(t, 3, "--kubeconfig", kubeconfig, "--in-pod")
	var rights []string
	for _, c := range got.Checks {
		switch {
		case c.Check == "rights" && c.Result == "refused":
			rights = append(rights, c.Commands...)
		case c.Result == "ok" && c.Check != "rights":
			t.Errorf("got %+v", c)
		}
	}
	want := []string{
		"kubectl create role copytrigger-persistentvolumeclaims-data -n app --verb=get,watch,patch " +
			"--resource=persistentvolumeclaims --resource-name=data --kubeconfig " + kubeconfig,
		"kubectl create rolebinding copytrigger-persistentvolumeclaims-data -n app " +
			"--role=copytrigger-persistentvolumeclaims-data --user=ann --kubeconfig " + kubeconfig,
		"kubectl create role copytrigger-replicationsources -n app --verb=list,watch " +
			"--resource=replicationsources.volsync.backube --kubeconfig " + kubeconfig,
		"kubectl create rolebinding copytrigger-replicationsources -n app " +
			"--role=copytrigger-replicationsources --user=ann --kubeconfig " + kubeconfig,
		"kubectl create role copytrigger-pods -n app --verb=get,list --resource=pods --kubeconfig " + kubeconfig,
		"kubectl create rolebinding copytrigger-pods -n app --role=copytrigger-pods --user=ann --kubeconfig " + kubeconfig,
		"kubectl create role copytrigger-pods-exec -n app --verb=create,get --resource=pods/exec --kubeconfig " + kubeconfig,
		"kubectl create rolebinding copytrigger-pods-exec -n app --role=copytrigger-pods-exec --user=ann --kubeconfig " +
			kubeconfig,
	}
	if strings.Join(rights, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(rights, "\n"), strings.Join(want, "\n"))
	}
}

// A cluster that does not answer is a failure, and no finding.
func TestCheckOfNobody(t *testing.T) {
	noEnv(t)
	got := checksOf(t, 124, "--kubeconfig", kubeconfig(t), "--timeout", "50ms")
	if got.Outcome != "timed-out" || got.Reason == "" || len(got.Checks) != 0 {
		t.Errorf("got %+v", got)
	}
}
