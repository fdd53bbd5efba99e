package pods

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A pod is read whatever is in it, and the container that is chosen is one of its own.
func FuzzPod(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"spec": {"containers": [{"name": "a"}, {"name": "b"}]}, "metadata": {"name": "p"}}`,
		`{"spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "v"}]}], ` +
			`"initContainers": [{"name": "s", "restartPolicy": "Always"}],
		"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}, "status": {"phase": "Running"}}`,
		`{"status": {"containerStatuses": [{"name": "a", "containerID": "x", "state": {"running": {}}}]}}`,
		`{"spec": {"containers": 1}}`, `{"spec": {"volumes": [null]}, "metadata": {"deletionTimestamp": "x"}}`,
		`{"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "b"}}, ` +
			`"spec": {"containers": [{"name": "b"}, {"name": ""}]}}`,
	} {
		f.Add([]byte(s), "a")
	}
	f.Fuzz(func(t *testing.T, b []byte, wanted string) {
		u := unstructured.Unstructured{}
		if json.Unmarshal(b, &u.Object) != nil {
			return
		}
		p, err := read(u)
		if err != nil || len(p.containers()) == 0 { // as the API server has none
			return
		}
		for _, w := range []Wanted{{Claims: []string{"data"}}, {Claims: []string{"data"}, Container: wanted}} {
			name, err := Application{}.container(p, w)
			if err != nil {
				continue
			}
			own := false
			for _, c := range p.containers() {
				own = own || c.Name == name
			}
			if !own || w.Container != "" && name != w.Container {
				t.Errorf("%s: container %q is chosen", b, name)
			}
		}
		_, _ = p.mounts([]string{"data"}), p.canBeMeant()
	})
}
