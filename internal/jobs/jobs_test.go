package jobs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// serving are the Jobs of an API server that answers these paths.
func serving(t *testing.T, answers map[string]string) Jobs {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, is := answers[r.URL.Path]
		if !is {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if strings.HasPrefix(answer, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return In(kube.Cluster{Dynamic: client, Config: config}, "app", "test")
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(encoded, &u.Object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Every claim of the pod is known, and which a container of any kind mounts.
func TestTemplate(t *testing.T) {
	j := serving(t, map[string]string{"/apis/batch/v1/namespaces/app/cronjobs/check": `{
		"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "check"},
		"spec": {"suspend": true, "jobTemplate": {"spec": {"suspend": true, "template": {"spec": {
			"volumes": [
				{"name": "a", "persistentVolumeClaim": {"claimName": "one"}},
				{"name": "b", "persistentVolumeClaim": {"claimName": "two"}},
				{"name": "c", "persistentVolumeClaim": {"claimName": "three"}},
				{"name": "d", "persistentVolumeClaim": {"claimName": "four"}}, {"name": "tmp", "emptyDir": {}}],
			"initContainers": [{"name": "i", "volumeMounts": [{"name": "a"}]}],
			"containers": [{"name": "c", "volumeMounts": [{"name": "b"}, {"name": "tmp"}], "volumeDevices": [{"name": "c"}]}]
		}}}}}}`})
	template, got, err := j.Template(t.Context(), "check")
	want := handshake.CheckTemplate{
		CronJob: "check", Suspended: true, JobSuspended: true,
		Claims: []string{"one", "two", "three", "four"}, Mounted: []string{"two", "three", "one"},
	}
	if err != nil || !reflect.DeepEqual(got, want) || template["spec"] == nil {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// Only a condition that holds says how a Job has ended.
func TestRead(t *testing.T) {
	got := read(object(t, `
metadata: {uid: "1", ownerReferences: [{kind: ReplicationDestination, name: d, uid: "2"}]}
status:
  active: 1
  succeeded: 2
  failed: 3
  conditions: [{type: Complete, status: "False"}, {type: SuccessCriteriaMet, status: "True"},
    {type: Failed, status: "True", reason: DeadlineExceeded, message: too long}]`))
	want := &handshake.CheckJob{
		UID: "1", Owner: "2", OwnerName: "d", Active: 1, Succeeded: 2, Errors: 3, Failed: "DeadlineExceeded: too long",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := read(object(t, `status: {conditions: [{type: Complete, status: "True"}]}`)); !got.Complete {
		t.Errorf("got %+v", got)
	}
}

// The container that has failed is heard first, of the newest pod.
func TestSaid(t *testing.T) {
	const pods = "/api/v1/namespaces/app/pods"
	pod := func(name, created string) string {
		return fmt.Sprintf(`{"metadata": {"name": %q, "creationTimestamp": %q}, "status": {"containerStatuses": [
			{"name": "well", "state": {"terminated": {"exitCode": 0}}},
			{"name": "ill", "state": {"terminated": {"exitCode": 2}}}]}}`, name, created)
	}
	j := serving(t, map[string]string{
		pods: `{"apiVersion": "v1", "kind": "PodList", "items": [` + pod("old", "2000-01-01T00:00:00Z") + `,` +
			pod("new", "2000-01-02T00:00:00Z") + `]}`,
		pods + "/old/log": "old", pods + "/new/log": "one\ntwo\r\n\x1b[31mthree\n",
	})
	if got := j.Said(t.Context(), "job"); !strings.HasPrefix(got, "one / two / ") || strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
	failedFirst := []string{"ill", "well"}
	if got := containers(*object(t, pod("p", "2000-01-01T00:00:00Z"))); !slices.Equal(got, failedFirst) {
		t.Errorf("got %q", got)
	}
	if got := serving(t, nil).Said(t.Context(), "job"); got != "" {
		t.Errorf("nobody knows, and it says %q", got)
	}
}
