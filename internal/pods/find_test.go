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
		"mounts it": {
			pods:   []podtest.Pod{other, db},
			wanted: pods.Wanted{Claims: data},
			want:   "db-0/main",
		},
		"mounts both": {
			pods:   []podtest.Pod{other, db},
			wanted: pods.Wanted{Claims: []string{"data", "wal"}},
			want:   "db-0/main",
		},
		"mounts only one": {
			pods:   []podtest.Pod{db},
			wanted: pods.Wanted{Claims: []string{"data", "x"}},
			why:    "mounts PVC data and PVC x",
		},
		"none": {
			pods:   []podtest.Pod{other},
			wanted: pods.Wanted{Claims: data},
			why:    "no running pod in namespace app mounts PVC data",
			next:   "--pod NAME",
		},
		"several": {
			pods:   []podtest.Pod{second, db},
			wanted: pods.Wanted{Claims: data},
			why:    "2 running pods in namespace app can be meant: db-0, db-1",
			next:   "--pod db-0",
		},
		"by name": {
			pods:   []podtest.Pod{second, db},
			wanted: pods.Wanted{Claims: data, Name: "db-1"},
			want:   "db-1/main",
		},
		"by name, elsewhere": {
			pods:   []podtest.Pod{db, other},
			wanted: pods.Wanted{Claims: data, Name: "web"},
			want:   "web/main",
		},
		"by name, none": {
			pods:   []podtest.Pod{db},
			wanted: pods.Wanted{Claims: data, Name: "x"},
			why:    "pod app/x is not there",
			next:   "--pod",
		},
		"by labels": {
			pods:   []podtest.Pod{db, other},
			wanted: pods.Wanted{Claims: data, Selector: "app=web"},
			want:   "web/main",
		},
		"by labels, the one that mounts it": {
			pods:   []podtest.Pod{db, with(func(p *podtest.Pod) { p.Name, p.Claims = "db-1", nil })},
			wanted: pods.Wanted{Claims: data, Selector: "app=db"},
			want:   "db-0/main",
		},
		"by labels, none": {
			pods:   []podtest.Pod{db},
			wanted: pods.Wanted{Claims: data, Selector: "app=x"},
			why:    "has the labels app=x",
			next:   "--pod NAME",
		},
		"being deleted": {
			pods:   []podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true })},
			wanted: pods.Wanted{Claims: data},
			why:    "no running pod",
		},
		"being deleted, by name": {
			pods:   []podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true })},
			wanted: pods.Wanted{Name: "db-0"},
			why:    "is being deleted",
		},
		"not running": {
			pods:   []podtest.Pod{with(func(p *podtest.Pod) { p.Phase = "Pending" })},
			wanted: pods.Wanted{Name: "db-0"},
			why:    "does not run",
		},
		"beside one that is being deleted": {
			pods:   []podtest.Pod{with(func(p *podtest.Pod) { p.Deleting = true }), second},
			wanted: pods.Wanted{Claims: data},
			want:   "db-1/main",
		},
		"container that mounts it": {
			pods:   []podtest.Pod{two},
			wanted: pods.Wanted{Claims: data},
			want:   "db-0/db",
		},
		"container by name": {
			pods:   []podtest.Pod{two},
			wanted: pods.Wanted{Claims: data, Container: "exporter"},
			want:   "db-0/exporter",
		},
		"container that is not there": {
			pods:   []podtest.Pod{two},
			wanted: pods.Wanted{Claims: data, Container: "x"},
			why:    "has no container x; it has db, exporter",
			next:   "--container db",
		},
		"several containers": {
			pods:   []podtest.Pod{beside},
			wanted: pods.Wanted{Name: "db-0"},
			why:    "several containers of pod app/db-0 can be meant: a, b",
			next:   "--container a",
		},
		"kubectl's container": {
			pods: []podtest.Pod{with(func(p *podtest.Pod) {
				p.Containers, p.Claims, p.Default = []string{"a", "b"}, nil, "b"
			})},
			wanted: pods.Wanted{Name: "db-0", Claims: data},
			want:   "db-0/b",
		},
		"container that does not run": {
			pods:   []podtest.Pod{with(func(p *podtest.Pod) { p.ContainerID = "none" })},
			wanted: pods.Wanted{Claims: data},
			why:    "container main of pod app/db-0 does not run",
			next:   "--container",
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
		"nothing": {change: func(*pods.Target) {}},
		"replaced": {
			change: func(p *pods.Target) { p.UID, p.Name = "2", "db-1" },
			says:   "pod app/db-0 was replaced by db-1",
		},
		"of the same name": {change: func(p *pods.Target) { p.UID = "2" }, says: "was replaced by db-0"},
		"restarted": {
			change: func(p *pods.Target) { p.ContainerID = "c2" },
			says:   "container db of pod app/db-0 was restarted",
		},
		"another container": {change: func(p *pods.Target) { p.Container = "other" }, says: "was restarted"},
	} {
		now := was
		c.change(&now)
		if got := was.Changed(now); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
			t.Errorf("%s: got %q, want %q", name, got, c.says)
		}
	}
}
