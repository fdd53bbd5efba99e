package pods

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/kube"
)

const selector = "run=1,step!=verdict"

// at is a server that answers the requests for pods, one after the other, by answers. It
// fails the test for whatever asks for more, or for all pods.
func at(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) Pods {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(answers) == 0 {
			t.Errorf("a request too much: %s %s", r.Method, r.URL)
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		want := url.Values{"labelSelector": {selector}, "fieldSelector": {"status.phase!=Succeeded,status.phase!=Failed"}}
		if r.URL.Query().Has("watch") {
			want.Set("watch", "true")
		}
		if got := r.URL.Query(); r.Method != "GET" || r.URL.Path != "/api/v1/namespaces/app/pods" ||
			!reflect.DeepEqual(got, want) {
			t.Errorf("got %s %s %v, want %v", r.Method, r.URL.Path, got, want)
		}
		if got := r.Header.Get("Accept"); !strings.Contains(got, "as=PartialObjectMetadata") {
			t.Errorf("got Accept %q, which asks for more than the metadata", got)
		}
		w.Header().Set("Content-Type", "application/json")
		answer := answers[0]
		answers = answers[1:]
		answer(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		if len(answers) > 0 {
			t.Errorf("%d answers were not asked for", len(answers))
		}
	})
	client, err := metadata.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return In(client, "app")
}

func says(code int, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); io.WriteString(w, text) }
}

func status(code int, reason string) string {
	return fmt.Sprintf(
		`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"it says no"}`,
		reason,
		code,
	)
}

const (
	listed = `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",` +
		`"metadata":{"resourceVersion":"7"},"items":[%s]}`
	running  = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"b","namespace":"app"}}`
	deleting = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",` +
		`"metadata":{"name":"a","namespace":"app","deletionTimestamp":"2026-01-01T00:00:00Z"}}`
)

func TestNotEnded(t *testing.T) {
	for name, c := range map[string]struct {
		items string
		want  []Pod
	}{
		"none":    {"", nil},
		"by name": {running + "," + deleting, []Pod{{"a", true}, {"b", false}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := at(t, says(200, fmt.Sprintf(listed, c.items))).NotEnded(t.Context(), selector)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestErrorsNameTheRequest(t *testing.T) {
	_, err := at(t, says(403, status(403, "Forbidden"))).NotEnded(t.Context(), selector)
	if !kube.IsForbidden(err) || err.Error() != "list pods in namespace app: it says no" {
		t.Errorf("got %v", err)
	}
	err = at(
		t,
		says(403, status(403, "Forbidden")),
	).FollowNotEnded(t.Context(), selector, func() { t.Error("called") }, kube.Passing)
	if !kube.IsForbidden(err) || err.Error() != "watch pods in namespace app: it says no" {
		t.Errorf("got %v", err)
	}
}

// A watch that breaks is opened again, and what it missed in between is a change.
func TestFollowNotEnded(t *testing.T) {
	events := func(events ...string) func(http.ResponseWriter, *http.Request) {
		return says(200, strings.Join(events, "\n")+"\n")
	}
	pods := at(
		t,
		events(
			`{"type":"ADDED","object":`+running+`}`,
			`{"type":"MODIFIED","object":`+deleting+`}`,
			`{"type":"DELETED","object":`+deleting+`}`,
		),
		func(w http.ResponseWriter, r *http.Request) {
			events(`{"type":"ADDED","object":`+running+`}`)(w, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // the connection breaks
		},
		events(`{"type":"ERROR","object":`+status(410, "Expired")+`}`),
		says(403, status(403, "Forbidden")),
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changes, troubles := 0, 0
	err := pods.FollowNotEnded(
		ctx,
		selector,
		func() { changes++ },
		func(err error) bool { troubles++; return kube.Passing(err) },
	)
	if !kube.IsForbidden(err) {
		t.Errorf("got %v, want the refusal", err)
	}
	if changes != 7 || troubles != 4 { // it stands three times; four events
		t.Errorf("got %d changes, %d troubles, want 7 and 4", changes, troubles)
	}
}

func TestNames(t *testing.T) {
	for want, ps := range map[string][]Pod{
		"":                     nil,
		"a":                    {{"a", false}},
		"a, b (being deleted)": {{"a", false}, {"b", true}},
		"a, b, c, d, e":        {{"a", false}, {"b", false}, {"c", false}, {"d", false}, {"e", false}},
		"a, b, c, d, e (being deleted) and 2 more": {
			{"a", false}, {"b", false}, {"c", false}, {"d", false}, {"e", true}, {"f", false}, {"g", false},
		},
	} {
		if got := Names(ps); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
