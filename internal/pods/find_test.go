//go:build unix

package pods_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

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

// paged is an application whose pods the API server lists a page at a time.
func paged(t *testing.T, pages ...[]string) pods.Application {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limit := r.URL.Query().Get("limit"); limit != "500" {
			t.Errorf("pods are listed with the limit %q", limit)
		}
		page, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		next := ""
		if page+1 < len(pages) {
			next = strconv.Itoa(page + 1)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": %q}, "items": [%s]}`,
			next, strings.Join(pages[page], ","))
	}))
	t.Cleanup(server.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return pods.ApplicationIn(client, podtest.Namespace)
}

// mounting is a pod that runs, with the claim data.
func mounting(name string) string {
	const containers = `"containers": [{"name": "main", "volumeMounts": [{"name": "v"}]}]`
	return podOf(name, containers, `"containerStatuses": `+runs("main"))
}

// podOf is a pod with a volume v that is the claim data, and another that only has its name.
func podOf(name, spec, status string) string {
	return fmt.Sprintf(`{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": %q, "uid": "u"}, "spec": {%s, "volumes": [
		{"name": "data", "emptyDir": {}}, {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
		"status": {"phase": "Running", %s}}`, name, spec, status)
}

// runs are the statuses of containers that run.
func runs(names ...string) string {
	var all []map[string]any
	for _, name := range names {
		all = append(all, map[string]any{
			"name": name, "containerID": "id-" + name, "state": map[string]any{"running": map[string]any{}},
		})
	}
	text, _ := json.Marshal(all)
	return string(text)
}

// The pod is looked for on all pages: one that is on the last is found, and two on two of them are two.
func TestFindOnEveryPage(t *testing.T) {
	wanted := pods.Wanted{Claims: []string{"data"}}
	got, err := paged(t, []string{mounting("db-0")}, []string{}).Find(t.Context(), wanted)
	if err != nil || got.Name != "db-0" {
		t.Errorf("on the first page: got %v, %v", got, err)
	}
	elsewhere := strings.ReplaceAll(mounting("other"), "claimName", "x")
	got, err = paged(t, []string{elsewhere}, []string{elsewhere}, []string{mounting("db-0")}).Find(t.Context(), wanted)
	if err != nil || got.Name != "db-0" {
		t.Errorf("on the last page: got %v, %v", got, err)
	}
	_, err = paged(t, []string{mounting("db-0")}, []string{mounting("db-1")}).Find(t.Context(), wanted)
	const two = "2 running pods in namespace app can be meant: db-0, db-1 (each mounts PVC data)"
	if err == nil || err.Error() != two {
		t.Errorf("on two pages: got %v", err)
	}
}

// Of the containers of a pod it is the one that mounts the claim, be it a sidecar, or by a device. What
// has ended before the pod runs is none of them.
func TestFindContainer(t *testing.T) {
	const (
		mounts  = `"volumeMounts": [{"name": "v"}]`
		device  = `"volumeDevices": [{"name": "v"}]`
		by      = `{"name": "%s", %s}`
		nothing = `"volumeMounts": [{"name": "data"}]`
		sidecar = `"restartPolicy": "Always", `
	)
	list := func(what string, containers ...string) string {
		return fmt.Sprintf("%q: [%s]", what, strings.Join(containers, ","))
	}
	c := func(name, mounts string) string { return fmt.Sprintf(by, name, mounts) }
	two := list("containers", c("a", nothing), c("b", nothing))
	for name, p := range map[string]struct {
		spec   string
		status string
		wanted string // container that is asked for
		want   string // container
		id     string
		says   string // why not
	}{
		"the other volume has the claim's name": {
			spec: list("containers", c("a", nothing), c("b", mounts)), status: `"containerStatuses": ` + runs("a", "b"),
			want: "b", id: "id-b",
		},
		"a device": {
			spec: list("containers", c("a", nothing), c("b", device)), status: `"containerStatuses": ` + runs("a", "b"),
			want: "b", id: "id-b",
		},
		"a sidecar": {
			spec:   two + ", " + list("initContainers", c("side", sidecar+mounts)),
			status: `"containerStatuses": ` + runs("a", "b") + `, "initContainerStatuses": ` + runs("side"),
			want:   "side", id: "id-side",
		},
		"an init container mounts it, too": {
			spec:   list("containers", c("a", nothing), c("b", mounts)) + ", " + list("initContainers", c("init", mounts)),
			status: `"containerStatuses": ` + runs("a", "b"), want: "b", id: "id-b",
		},
		"an init container, by name": {
			spec:   two + ", " + list("initContainers", c("init", mounts)),
			status: `"containerStatuses": ` + runs("a", "b"), wanted: "init",
			says: "pod app/db-0 has no container init; it has a, b",
		},
		"two mount it": {
			spec: list("containers", c("a", mounts), c("b", mounts)), status: `"containerStatuses": ` + runs("a", "b"),
			says: "several containers of pod app/db-0 can be meant: a, b",
		},
		"two mount it, and a sidecar": {
			spec: list("containers", c("a", mounts), c("b", mounts)) + ", " +
				list("initContainers", c("side", sidecar+nothing)),
			status: `"containerStatuses": ` + runs("a", "b") + `, "initContainerStatuses": ` + runs("side"),
			says:   "several containers of pod app/db-0 can be meant: a, b, side",
		},
		"it has ended": {
			spec:   list("containers", c("a", mounts), c("b", nothing)),
			status: `"containerStatuses": [{"name": "a", "containerID": "x", "state": {"terminated": {}}}]`,
			says:   "container a of pod app/db-0 does not run",
		},
		"its status is not there": {
			spec: list("containers", c("a", mounts), c("b", nothing)), status: `"containerStatuses": ` + runs("b"),
			says: "container a of pod app/db-0 does not run",
		},
	} {
		wanted := pods.Wanted{Claims: []string{"data"}, Container: p.wanted}
		got, err := paged(t, []string{podOf("db-0", p.spec, p.status)}).Find(t.Context(), wanted)
		if got.Container != p.want || got.ContainerID != p.id || (err == nil) != (p.says == "") {
			t.Errorf("%s: got %+v, %v, want %s", name, got, err, p.want)
		}
		if err != nil && err.Error() != p.says {
			t.Errorf("%s: got %q, want %q", name, err, p.says)
		}
	}
}

// Of many pods a few are named, and the hint shows those that were looked at.
func TestFindOfMany(t *testing.T) {
	all := []string{}
	for _, name := range []string{"g", "f", "e", "d", "c", "b", "a"} {
		all = append(all, mounting(name))
	}
	const several = " running pods in namespace app can be meant: a, b, c, d, e"
	for n, says := range map[int]string{5: "5" + several + " (each has", 7: "7" + several + ", 2 more (each has"} {
		wanted := pods.Wanted{Claims: []string{"data"}, Selector: "app=db"}
		_, err := paged(t, all[len(all)-n:]).Find(t.Context(), wanted)
		var notOne *pods.NotOne
		if !errors.As(err, &notOne) || !strings.Contains(err.Error(), says) || notOne.Seen != wanted.Selector {
			t.Errorf("got %v, of %+v", err, notOne)
		}
	}
	_, err := paged(t, []string{}).Find(t.Context(), pods.Wanted{Selector: "app=x"})
	if notOne := (*pods.NotOne)(nil); !errors.As(err, &notOne) || notOne.Seen != "app=x" {
		t.Errorf("none: got %v, of %+v", err, notOne)
	}
}
