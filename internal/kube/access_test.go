package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// asking is a cluster that answers every review so, and what it was asked last.
func asking(t *testing.T, code int, answer string) (c Cluster, attributes func() string) {
	t.Helper()
	var body struct {
		Spec struct {
			Attributes json.RawMessage `json:"resourceAttributes"`
		} `json:"spec"`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &body); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return Cluster{Dynamic: client}, func() string { return string(body.Spec.Attributes) }
}

func review(allowed bool) string {
	return fmt.Sprintf(`{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","status":{"allowed":%t}}`,
		allowed)
}

// What is asked is exactly the request: a name or a subresource more or less is another right.
func TestMay(t *testing.T) {
	for name, c := range map[string]struct {
		request Request
		asks    string
	}{
		"a named object": {
			Request{Verb: "patch", Resource: "persistentvolumeclaims", Namespace: "app", Name: "data"},
			`{"group":"","name":"data","namespace":"app","resource":"persistentvolumeclaims","verb":"patch"}`,
		},
		"of a group, in all namespaces": {
			Request{Verb: "list", Group: "volsync.backube", Resource: "replicationsources"},
			`{"group":"volsync.backube","resource":"replicationsources","verb":"list"}`,
		},
		"a subresource": {
			Request{Verb: "create", Resource: "pods/exec", Namespace: "app"},
			`{"group":"","namespace":"app","resource":"pods","subresource":"exec","verb":"create"}`,
		},
	} {
		for _, want := range []bool{true, false} {
			cluster, asked := asking(t, http.StatusCreated, review(want))
			may, err := cluster.May(t.Context(), c.request)
			if err != nil || may != want || asked() != c.asks {
				t.Errorf("%s: got %t, %v, asked %s, want %t, %s", name, may, err, asked(), want, c.asks)
			}
		}
	}
	cluster, _ := asking(t, http.StatusForbidden, review(true))
	if may, err := cluster.May(t.Context(), Request{}); err == nil || may {
		t.Errorf("a review that is refused: %t, %v", may, err)
	}
}
