//go:build unix

// Package podtest is for tests: an API server with pods in which commands really run (here), over
// the same protocols as in a cluster, and with the same faults.
package podtest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Namespace of all pods.
const Namespace = "app"

// Pod is a pod of the server.
type Pod struct {
	Name, UID   string
	Labels      map[string]string
	Claims      []string // that its first container mounts
	Containers  []string // "main" if there are none
	Default     string   // container of kubectl's annotation
	ContainerID string   // of each; "" for "id-1"; "none" for one that does not run
	Phase       string   // "" for Running
	Deleting    bool
}

// Server is an API server.
type Server struct {
	URL string

	t      *testing.T
	cancel context.CancelFunc
	alive  context.Context

	mu       sync.Mutex
	pods     []Pod
	conns    []net.Conn
	sessions []*session
	args     [][]string // of all commands
	requests []string   // "POST exec", "LIST pods"
	refuse   int        // the status of every exec
	deny     int        // the status of every look at pods
	onlySPDY bool
	noShell  bool
	silent   <-chan struct{}
}

// New returns a server with these pods. Its commands are killed when the test ends.
func New(t *testing.T, pods ...Pod) *Server {
	t.Helper()
	s := &Server{t: t, pods: pods}
	s.alive, s.cancel = context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.with(func() { s.conns = append(s.conns, c) })
		}
	}
	server.Start()
	s.URL = server.URL
	t.Cleanup(func() {
		s.cancel()
		s.Cut()
		server.Close()
	})
	return s
}

// Config is a client's.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.URL, QPS: -1} }

func (s *Server) with(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// Set replaces the pods.
func (s *Server) Set(pods ...Pod) { s.with(func() { s.pods = pods }) }

// Refuse answers every exec with a status; 0 for none.
func (s *Server) Refuse(code int) { s.with(func() { s.refuse = code }) }

// Deny answers every look at pods with a status; 0 for none.
func (s *Server) Deny(code int) { s.with(func() { s.deny = code }) }

// OnlySPDY makes it an API server that does not know the WebSocket protocol yet.
func (s *Server) OnlySPDY() { s.with(func() { s.onlySPDY = true }) }

// NoShell takes /bin/sh out of the containers.
func (s *Server) NoShell() { s.with(func() { s.noShell = true }) }

// Silent leaves every request without an answer until the channel is closed.
func (s *Server) Silent(until <-chan struct{}) { s.with(func() { s.silent = until }) }

// Cut breaks all connections of clients to the server.
func (s *Server) Cut() {
	var conns []net.Conn
	s.with(func() { conns, s.conns = s.conns, nil })
	for _, c := range conns {
		_ = c.Close()
	}
}

// CutNode breaks the server's own connections to the node. It goes on as the real one does: as if
// the commands had ended well.
func (s *Server) CutNode() {
	s.with(func() {
		for _, session := range s.sessions {
			session.cut()
		}
	})
}

// Args are those of all commands so far.
func (s *Server) Args() (all [][]string) {
	s.with(func() { all = slices.Clone(s.args) })
	return all
}

// Requests are all requests so far.
func (s *Server) Requests() (all []string) {
	s.with(func() { all = slices.Clone(s.requests) })
	return all
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	rest, ours := strings.CutPrefix(r.URL.Path, "/api/v1/namespaces/"+Namespace+"/pods")
	if !ours {
		s.t.Errorf("unexpected request: %s %s", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	name, sub, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	verb := "LIST"
	if name != "" {
		verb = r.Method
	}
	var deny int
	var silent <-chan struct{}
	s.with(func() {
		silent = s.silent
		s.requests = append(s.requests, verb+" "+sub)
		if deny = s.deny; sub == "exec" {
			deny = s.refuse
		}
	})
	if silent != nil {
		<-silent
	}
	switch {
	case deny != 0:
		s.status(w, deny)
	case name == "":
		s.list(w, r)
	case sub == "exec":
		s.exec(w, r, name)
	default:
		p, found := s.pod(name)
		if !found {
			s.status(w, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.object())
	}
}

func (s *Server) status(w http.ResponseWriter, code int) {
	reasons := map[int]metav1.StatusReason{
		403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound, 503: metav1.StatusReasonServiceUnavailable,
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reasons[code], Message: "it says no",
	})
}

func (s *Server) pod(name string) (p Pod, found bool) {
	s.with(func() {
		i := slices.IndexFunc(s.pods, func(p Pod) bool { return p.Name == name })
		if found = i >= 0; found {
			p = s.pods[i]
		}
	})
	return p, found
}

// list knows label selectors of one label alone, and the phase.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	if got := r.URL.Query().Get("fieldSelector"); got != "status.phase=Running" {
		s.t.Errorf("pods are listed by %q", got)
	}
	items := []any{}
	key, value, some := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
	s.with(func() {
		for _, p := range s.pods {
			if p.phase() == "Running" && (!some || p.Labels[key] == value) {
				items = append(items, p.object())
			}
		}
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "PodList", "apiVersion": "v1", "metadata": map[string]any{"resourceVersion": "1"}, "items": items,
	})
}

func (p Pod) phase() string {
	if p.Phase == "" {
		return "Running"
	}
	return p.Phase
}

func (p Pod) object() map[string]any {
	names := p.Containers
	if len(names) == 0 {
		names = []string{"main"}
	}
	var volumes, mounts, containers, statuses []any
	for _, claim := range p.Claims {
		volumes = append(volumes, map[string]any{
			"name": "v-" + claim, "persistentVolumeClaim": map[string]any{"claimName": claim},
		})
		mounts = append(mounts, map[string]any{"name": "v-" + claim, "mountPath": "/" + claim})
	}
	for i, name := range names {
		c := map[string]any{"name": name, "image": "i"}
		if i == 0 {
			c["volumeMounts"] = mounts
		}
		state, id := "running", p.ContainerID
		switch id {
		case "":
			id = "id-1"
		case "none":
			state, id = "waiting", ""
		}
		containers = append(containers, c)
		statuses = append(statuses, map[string]any{
			"name": name, "containerID": id, "state": map[string]any{state: map[string]any{}},
		})
	}
	metadata := map[string]any{"name": p.Name, "namespace": Namespace, "uid": p.UID, "labels": p.Labels}
	if p.Deleting {
		metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
	}
	if p.Default != "" {
		metadata["annotations"] = map[string]string{"kubectl.kubernetes.io/default-container": p.Default}
	}
	return map[string]any{
		"kind": "Pod", "apiVersion": "v1", "metadata": metadata,
		"spec":   map[string]any{"volumes": volumes, "containers": containers},
		"status": map[string]any{"phase": p.phase(), "containerStatuses": statuses},
	}
}
