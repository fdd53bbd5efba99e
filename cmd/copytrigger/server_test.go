package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
)

// server is an API server that has one claim, default/data, and a VolSync that waits on it.
type server struct {
	kubeconfig string
	records    bool // VolSync records a trigger as soon as it is set

	mu          sync.Mutex
	annotations map[string]string
	version     int
	changed     chan struct{} // closed by the next change
}

func newServer(t *testing.T, records bool) *server {
	t.Helper()
	s := &server{records: records, changed: make(chan struct{}), annotations: map[string]string{
		handshake.UseAnnotation:    "true",
		handshake.BoundAnnotation:  "yes",
		handshake.StatusAnnotation: handshake.StatusWaiting,
		handshake.SinceAnnotation:  "2026-01-01T00:00:00Z",
	}}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	s.kubeconfig = filepath.Join(t.TempDir(), "config")
	text := `{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "` +
		listener.URL + `"}}], contexts: [{name: c, context: {cluster: c}}]}`
	if err := os.WriteFile(s.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) get(annotation string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.annotations[annotation]
}

// object returns the claim as it is now. s is locked.
func (s *server) object() map[string]any {
	return map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
		"metadata": map[string]any{
			"name": "data", "namespace": "default", "uid": "u", "resourceVersion": strconv.Itoa(s.version),
			"annotations": s.annotations,
		},
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/default/persistentvolumeclaims"):
		http.NotFound(w, r)
	case r.URL.Query().Get("watch") != "":
		s.watch(w, r)
	case r.Method == http.MethodPatch:
		s.patch(w, r)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(s.object())
	}
}

func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	for {
		s.mu.Lock()
		changed := s.changed
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": s.object()})
		s.mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) patch(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Metadata struct {
			ResourceVersion string             `json:"resourceVersion"`
			Annotations     map[string]*string `json:"annotations"`
		} `json:"metadata"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := json.NewDecoder(r.Body).Decode(&p)
	switch version := p.Metadata.ResourceVersion; {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case version != "" && version != strconv.Itoa(s.version):
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(
			`{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}`))
		return
	}
	if r.URL.Query().Get("dryRun") == "" {
		s.annotate(p.Metadata.Annotations)
		_ = json.NewEncoder(w).Encode(s.object())
		return
	}
	kept := s.annotations
	s.annotations = maps.Clone(kept)
	s.change(p.Metadata.Annotations)
	_ = json.NewEncoder(w).Encode(s.object())
	s.annotations = kept
}

// annotate changes the claim. s is locked.
func (s *server) annotate(values map[string]*string) {
	s.change(values)
	if trigger := s.annotations[handshake.TriggerAnnotation]; s.records && trigger != "" {
		s.annotations[handshake.LatestAnnotation] = trigger
		s.annotations[handshake.StatusAnnotation] = handshake.StatusCompleted
	}
	s.version++
	close(s.changed)
	s.changed = make(chan struct{})
}

// change changes the annotations. s is locked.
func (s *server) change(values map[string]*string) {
	for key, value := range values {
		if value == nil {
			delete(s.annotations, key)
			continue
		}
		s.annotations[key] = *value
	}
}
