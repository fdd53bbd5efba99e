//go:build unix

package pods_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/podexec/podtest"
	"github.com/copytrigger/copytrigger/internal/pods"
)

func TestFind(t *testing.T) {
	db := podtest.Pod{Name: "db-0", UID: "1", Claims: []string{"data", "wal"}, Labels: map[string]string{"app": "db"}}
	other := podtest.Pod{Name: "web", UID: "2", Claims: []string{"other"}, Labels: map[string]string{"app": "web"}}
	with := func(change func(*podtest.Pod)) podtest.Pod { p := db; change(&p); return p }
	second := with(func(p *podtest.Pod) { p.Name, p.UID = "db-1", "3" })
	two := with(func(p *podtest.Pod) { p.Containers = []string{"db", "exporter"} })
	beside := with(func(p *podtest.Pod) { p.Containers, p.Claims = []string{"a", "b"}, nil })
	data := []string{"data"}
	for name, c := range map[string]struct {
		pods   []podtest.Pod
		wanted pods.Wanted
		want   string // pod/container
		why    string // or why not
		next   string
	}{
		"mounts it":       {[]podtest.Pod{other, db}, pods.Wanted{Claims: data}, "db-0/main", "", ""},
		"mounts both":     {[]podtest.Pod{other, db}, pods.Wanted{Claims: []string{"data", "wal"}}, "db-0/main", "", ""},
		"mounts only one": {[]podtest.Pod{db}, pods.Wanted{Claims: []string{"data", "x"}}, "", "mounts PVC data and PVC x", ""},
		"none": {
			[]podtest.Pod{other}, pods.Wanted{Claims: data}, "",
			"no running pod in namespace app mounts PVC data", "--pod NAME",
		},
		"several": {
			[]podtest.Pod{second, db}, pods.Wanted{Claims: data}, "",
			"2 running pods in namespace app can be meant: db-0, db-1", "--pod db-0",
		},
		"by name":            {[]podtest.Pod{second, db}, pods.Wanted{Claims: data, Name: "db-1"}, "db-1/main", "", ""},
		"by name, elsewhere": {[]podtest.Pod{db, other}, pods.Wanted{Claims: data, Name: "web"}, "web/main", "", ""},
		"by name, none":      {[]podtest.Pod{db}, pods.Wanted{Claims: data, Name: "x"}, "", "pod app/x is not there", "--pod"},
		"by labels":          {[]podtest.Pod{db, other}, pods.Wanted{Claims: data, Selector: "app=web"}, "web/main", "", ""},
		"by labels, the one that mounts it": {
			[]podtest.Pod{db, with(func(p *podtest.Pod) { p.Name, p.Claims = "db-1", nil })},
			pods.Wanted{Claims: data, Selector: "app=db"}, "db-0/main", "", "",
		},
		"by labels, none": {[]podtest.Pod{db}, pods.Wanted{Claims: data, Selector: "app=x"}, "", "has the labels app=x", "--pod NAME"},
		"being deleted": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true })}, pods.Wanted{Claims: data}, "", "no running pod", "",
		},
		"being deleted, by name": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true })}, pods.Wanted{Name: "db-0"}, "", "is being deleted", "",
		},
		"not running": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.Phase = "Pending" })}, pods.Wanted{Name: "db-0"}, "", "does not run", "",
		},
		"beside one that is being deleted": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true }), second}, pods.Wanted{Claims: data}, "db-1/main", "", "",
		},
		"container that mounts it":    {[]podtest.Pod{two}, pods.Wanted{Claims: data}, "db-0/db", "", ""},
		"container by name":           {[]podtest.Pod{two}, pods.Wanted{Claims: data, Container: "exporter"}, "db-0/exporter", "", ""},
		"container that is not there": {[]podtest.Pod{two}, pods.Wanted{Claims: data, Container: "x"}, "", "has no container x; it has db, exporter", "--container db"},
		"several containers": {
			[]podtest.Pod{beside}, pods.Wanted{Name: "db-0"}, "", "several containers of pod app/db-0 can be meant: a, b", "--container a",
		},
		"kubectl's container": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.Containers, p.Claims, p.Default = []string{"a", "b"}, nil, "b" })},
			pods.Wanted{Name: "db-0", Claims: data}, "db-0/b", "", "",
		},
		"container that does not run": {
			[]podtest.Pod{with(func(p *podtest.Pod) { p.ContainerID = "none" })}, pods.Wanted{Claims: data}, "",
			"container main of pod app/db-0 does not run", "--container",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := podtest.New(t, c.pods...)
			client, err := dynamic.NewForConfig(server.Config())
			if err != nil {
				t.Fatal(err)
			}
			got, err := pods.ApplicationIn(client, podtest.Namespace).Find(t.Context(), c.wanted)
			if c.want != "" {
				if err != nil || got.Name+"/"+got.Container != c.want || got.UID == "" || got.ContainerID == "" {
					t.Errorf("got %+v, %v, want %s", got, err, c.want)
				}
				return
			}
			var notOne *pods.NotOne
			if !errors.As(err, &notOne) || !strings.Contains(err.Error(), c.why) || !strings.Contains(notOne.Next, c.next) {
				t.Errorf("got %v, want %q and %q", err, c.why, c.next)
			}
		})
	}
}

func TestFindIsDenied(t *testing.T) {
	server := podtest.New(t)
	server.Deny(403)
	client, err := dynamic.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	application := pods.ApplicationIn(client, podtest.Namespace)
	for want, w := range map[string]pods.Wanted{
		"list pods in namespace app: it says no": {}, "get pods app/x: it says no": {Name: "x"},
	} {
		if _, err := application.Find(t.Context(), w); !kube.IsForbidden(err) || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A pod is another one by its uid, and a container by its name or by its start: its application has not
// been quiesced then.
func TestChanged(t *testing.T) {
	was := pods.Target{Namespace: "app", Name: "db-0", UID: "1", Container: "db", ContainerID: "c1"}
	for name, c := range map[string]struct {
		change func(*pods.Target)
		says   string
	}{
		"nothing":           {change: func(*pods.Target) {}},
		"replaced":          {change: func(p *pods.Target) { p.UID, p.Name = "2", "db-1" }, says: "pod app/db-0 was replaced by db-1"},
		"of the same name":  {change: func(p *pods.Target) { p.UID = "2" }, says: "was replaced by db-0"},
		"restarted":         {change: func(p *pods.Target) { p.ContainerID = "c2" }, says: "container db of pod app/db-0 was restarted"},
		"another container": {change: func(p *pods.Target) { p.Container = "other" }, says: "was restarted"},
	} {
		now := was
		c.change(&now)
		if got := was.Changed(now); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
			t.Errorf("%s: got %q, want %q", name, got, c.says)
		}
	}
}
