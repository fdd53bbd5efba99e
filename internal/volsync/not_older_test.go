package volsync

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// versions is a server of ReplicationSources that keeps how it is asked for lists.
type versions struct {
	now    string   // the version of the next list
	fails  bool     // it does not know such a version
	events []string // of the watch: NAME CLAIM VERSION
	asked  []string
}

func (v *versions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	if query.Has("watch") {
		for _, event := range v.events {
			var name, claim, version string
			_, _ = fmt.Sscan(event, &name, &claim, &version)
			fmt.Fprintf(w, `{"type":"MODIFIED","object":{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSource",`+
				`"metadata":{"name":%q,"resourceVersion":%q},"spec":{"sourcePVC":%q}}}`+"\n", name, version, claim)
		}
		return
	}
	v.asked = append(v.asked, query.Get("resourceVersionMatch")+query.Get("resourceVersion"))
	if v.fails && query.Has("resourceVersion") {
		w.WriteHeader(http.StatusGatewayTimeout)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Timeout","code":504,`+
			`"message":"Too large resource version"}`)
		return
	}
	fmt.Fprintf(w, `{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSourceList",`+
		`"metadata":{"resourceVersion":%q},"items":[]}`, v.now)
}

func (v *versions) objects(t *testing.T) Objects {
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	dyn, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	return In(dyn, nil, "app", "test")
}

// follow follows the sources until the watch has ended, and returns the claims that it told of.
func (v *versions) follow(t *testing.T, o Objects) (told []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := o.FollowSources(ctx, func(claim string) { told = append(told, claim) }, func(error) bool { return false })
	if err == nil {
		t.Error("the watch goes on")
	}
	return told
}

// In the freeze no list is older than what was listed, or told of by a watch, before, and none
// waits for etcd, if anything was.
func TestSourcesNotOlder(t *testing.T) {
	v := &versions{now: "9", events: []string{"a data 101"}}
	o := v.objects(t)
	list := func(f func(context.Context) error) {
		t.Helper()
		if err := f(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told := func(ctx context.Context) error { _, err := o.SourcesNotOlder(ctx); return err }
	fresh := func(ctx context.Context) error { _, err := o.Sources(ctx); return err }
	list(told) // nothing is known
	list(told)
	v.now = "100"
	list(fresh)
	list(told)
	v.now = "99" // of a server that is behind
	list(fresh)
	list(told)
	v.follow(t, o)
	list(told)
	want := []string{"", "NotOlderThan9", "", "NotOlderThan100", "", "NotOlderThan100", "NotOlderThan101"}
	if !slices.Equal(v.asked, want) {
		t.Errorf("asked for %q, want %q", v.asked, want)
	}
}

// A cluster that was restored has never had the version: what is known of the other is forgotten.
func TestSourcesNotOlderARestoredCluster(t *testing.T) {
	v := &versions{now: "9"}
	o := v.objects(t)
	if _, err := o.Sources(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.fails = true
	if _, err := o.SourcesNotOlder(t.Context()); err == nil {
		t.Fatal("the server has answered")
	}
	if _, err := o.SourcesNotOlder(t.Context()); err != nil {
		t.Error(err)
	}
}

// The claims that a ReplicationSource copies, and has copied, are told of, and no other.
func TestFollowSourcesOfClaims(t *testing.T) {
	v := &versions{events: []string{"a data 1", "b wal 2", "a data 3", "a logs 4", "a logs 5"}}
	got := v.follow(t, v.objects(t))
	if want := []string{"", "data", "wal", "data", "data", "logs", "logs"}; !reflect.DeepEqual(got, want) {
		t.Errorf("told of %q, want %q", got, want)
	}
}
