package pvc

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/kube"
)

const object = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{
	"name":"data","namespace":"app","uid":"u1","resourceVersion":"7","annotations":{"a":"1"}}}`

// one is a server that answers exactly one request, and refuses every other.
func one(t *testing.T, method, path string, query url.Values, body string, code int, answer string) Claims {
	seen := atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) > 1 {
			t.Errorf("a request too much: %s %s", r.Method, r.URL)
		}
		if r.Method != method || r.URL.Path != path {
			t.Errorf("got %s %s, want %s %s", r.Method, r.URL.Path, method, path)
		}
		if got := r.URL.Query(); !reflect.DeepEqual(got, query) {
			t.Errorf("got query %v, want %v", got, query)
		}
		if got := r.Header.Get("Accept"); !strings.Contains(
			got,
			"application/json;as=PartialObjectMetadata"+map[bool]string{true: "List"}[query.Has("labelSelector")]+
				";g=meta.k8s.io;v=v1",
		) {
			t.Errorf("got Accept %q, which asks for more than the metadata", got)
		}
		got, _ := io.ReadAll(r.Body)
		if string(got) != body {
			t.Errorf("got body %s, want %s", got, body)
		}
		if got := r.Header.Get("Content-Type"); body != "" && got != "application/merge-patch+json" {
			t.Errorf("got Content-Type %q, want a merge patch", got)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, answer)
	}))
	t.Cleanup(func() {
		server.Close()
		if seen.Load() == 0 {
			t.Error("nothing was asked")
		}
	})
	client, err := metadata.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return In(client, "app", "copytrigger")
}

const (
	all  = "/api/v1/namespaces/app/persistentvolumeclaims"
	data = all + "/data"
)

var (
	was     = Claim{Name: "data", Namespace: "app", UID: "u1", Version: "7", Annotations: map[string]string{"a": "1"}}
	manager = url.Values{"fieldManager": {"copytrigger"}}
	dryRun  = url.Values{"fieldManager": {"copytrigger"}, "dryRun": {"All"}}
)

func TestList(t *testing.T) {
	labelled := strings.Replace(object, `"annotations"`, `"labels":{"app":"db"},"annotations"`, 1)
	query := url.Values{"labelSelector": {"app=db"}, "limit": {"500"}}
	c := one(t, "GET", "/api/v1/namespaces/app/persistentvolumeclaims", query, "", 200,
		`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":[`+labelled+`]}`)
	got, err := c.List(t.Context(), "app=db")
	want := Claim{Name: "data", Namespace: "app", UID: "u1", Version: "7", Labels: map[string]string{"app": "db"},
		Annotations: map[string]string{"a": "1"}}
	if err != nil || !reflect.DeepEqual(got, []Claim{want}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGet(t *testing.T) {
	got, err := one(t, "GET", data, url.Values{}, "", 200, object).Get(t.Context(), "data")
	if err != nil || !reflect.DeepEqual(got, was) {
		t.Errorf("got %+v, %v, want %+v", got, err, was)
	}
}

func TestGetDeleting(t *testing.T) {
	answer := strings.Replace(object, `"uid"`, `"deletionTimestamp":"2026-01-01T00:00:00Z","uid"`, 1)
	got, err := one(t, "GET", data, url.Values{}, "", 200, answer).Get(t.Context(), "data")
	if err != nil || !got.Deleting {
		t.Errorf("got %+v, %v, want it deleting", got, err)
	}
}

func TestAnnotate(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]string
		body   string
	}{
		"set": {
			map[string]string{"example/k": "run.1"},
			`{"metadata":{"annotations":{"example/k":"run.1"},"resourceVersion":"7","uid":"u1"}}`,
		},
		"both": {
			map[string]string{"example/k": "run.1", "example/l": ""},
			`{"metadata":{"annotations":{"example/k":"run.1","example/l":null},"resourceVersion":"7","uid":"u1"}}`,
		},
		"remove": {
			map[string]string{"example/k": ""},
			`{"metadata":{"annotations":{"example/k":null},"resourceVersion":"7","uid":"u1"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := strings.Replace(object, `"7"`, `"8"`, 1)
			got, err := one(t, "PATCH", data, manager, c.body, 200, answer).Annotate(t.Context(), was, c.values)
			if err != nil || got.Version != "8" {
				t.Errorf("got %+v, %v, want the version that the server answered", got, err)
			}
		})
	}
}

func TestMayAnnotateKeepsNothing(t *testing.T) {
	const body = `{"metadata":{"annotations":{"a":"1","example/k":"run.1"}}}`
	got, err := one(t, "PATCH", data, dryRun, body, 200, object).
		MayAnnotate(t.Context(), "data", map[string]string{"a": "1", "example/k": "run.1"})
	if err != nil || got.Annotations["a"] != "1" {
		t.Errorf("got %+v, %v, want the claim that the server answered", got, err)
	}
}

func status(code int, reason string) string {
	return fmt.Sprintf(
		`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"it says no"}`,
		reason,
		code,
	)
}

func TestErrorsKeepTheirKindAndRequest(t *testing.T) {
	for _, c := range []struct {
		code   int
		reason string
		is     func(error) bool
	}{
		{404, "NotFound", kube.IsNotFound},
		{403, "Forbidden", kube.IsForbidden},
		{401, "Unauthorized", kube.IsUnauthorized},
		{409, "Conflict", kube.IsConflict},
	} {
		for verb, ask := range map[string]func(Claims) error{
			"get": func(cs Claims) error { _, err := cs.Get(t.Context(), "data"); return err },
			"patch": func(cs Claims) error {
				_, err := cs.MayAnnotate(t.Context(), "data", map[string]string{"k": "v"})
				return err
			},
		} {
			t.Run(c.reason+" "+verb, func(t *testing.T) {
				query, body := url.Values{}, ""
				if verb == "patch" {
					query, body = dryRun, `{"metadata":{"annotations":{"k":"v"}}}`
				}
				err := ask(one(t, strings.ToUpper(verb), data, query, body, c.code, status(c.code, c.reason)))
				if !c.is(err) {
					t.Errorf("%v is not %s", err, c.reason)
				}
				if want := verb + " persistentvolumeclaims app/data: it says no"; err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}

// The second answer ends the following, by a refusal that does not pass.
func TestFollow(t *testing.T) {
	want := url.Values{"fieldSelector": {"metadata.name=data"}, "watch": {"true"}}
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != all || !reflect.DeepEqual(r.URL.Query(), want) {
			t.Errorf("got %s %s, want a watch of one claim", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		if asked++; asked > 1 {
			w.WriteHeader(403)
			io.WriteString(w, status(403, "Forbidden"))
			return
		}
		fmt.Fprintf(w, `{"type":"ADDED","object":%s}`+"\n", object)
		fmt.Fprintf(w, `{"type":"MODIFIED","object":%s}`+"\n", object)
		fmt.Fprintf(w, `{"type":"ERROR","object":%s}`+"\n", status(410, "Expired"))
	}))
	defer server.Close()
	client, err := metadata.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changes, troubles := 0, []string{}
	err = In(client, "app", "copytrigger").Follow(ctx, "data", func() { changes++ },
		func(err error) bool { troubles = append(troubles, err.Error()); return kube.Passing(err) })
	if !kube.IsForbidden(err) {
		t.Errorf("got %v, want the refusal", err)
	}
	if changes != 3 { // it stands, added, modified
		t.Errorf("got %d changes, want 3", changes)
	}
	if want := []string{
		"watch persistentvolumeclaims app/data: watching: it says no",
		"watch persistentvolumeclaims app/data: it says no",
	}; !reflect.DeepEqual(troubles, want) {
		t.Errorf("got troubles %q, want %q", troubles, want)
	}
}
