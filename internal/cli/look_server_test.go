package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// manyClaims is an API server with claims data-0, data-1 … of the namespace app, a ReplicationSource
// and a snapshot for each, in pages.
type manyClaims struct {
	n         int
	noVolSync bool

	mu       sync.Mutex
	requests []string // METHOD PATH
	changed  chan struct{}
	trigger  string                    // on data-0
	more     map[int]map[string]string // annotations of these
}

func newManyClaims(t *testing.T, n int) (server *manyClaims, kubeconfig string) {
	t.Helper()
	server = &manyClaims{n: n, changed: make(chan struct{})}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}],
contexts: [{name: c, context: {cluster: c, namespace: app}}]}`, listener.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, kubeconfig
}

func (s *manyClaims) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+resource)
	changed := s.changed
	s.mu.Unlock()
	if r.URL.Query().Has("watch") {
		w.(http.Flusher).Flush()
		for resource == "persistentvolumeclaims" {
			select {
			case <-r.Context().Done():
				return
			case <-changed:
			}
			s.mu.Lock()
			changed = s.changed
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": s.claim(0)})
			s.mu.Unlock()
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		return
	}
	item := map[string]func(int) map[string]any{
		"persistentvolumeclaims": s.claim, "replicationsources": s.source, "volumesnapshots": s.snapshot,
	}[resource]
	if item == nil || s.noVolSync && resource == "replicationsources" {
		http.NotFound(w, r) // as the API server answers for a group that it does not have
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page(w, r, item)
}

// page answers a list, as long as the limit says. s is locked.
func (s *manyClaims) page(w http.ResponseWriter, r *http.Request, item func(int) map[string]any) {
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		http.Error(w, "a list without a limit", http.StatusBadRequest)
		return
	}
	items, meta := []any{}, map[string]any{"resourceVersion": "1"}
	for i := from; i < min(from+limit, s.n); i++ {
		items = append(items, item(i))
	}
	if from+limit < s.n {
		meta["continue"] = strconv.Itoa(from + limit)
	}
	w.Header().Set("Content-Type", "application/json")
	kind, version := "List", "v1"
	if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList") {
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": version, "kind": kind, "metadata": meta, "items": items})
}

func (s *manyClaims) claim(i int) map[string]any {
	annotations := map[string]string{
		handshake.UseAnnotation: "", handshake.BoundAnnotation: "yes", handshake.StatusAnnotation: handshake.StatusWaiting,
		handshake.SinceAnnotation: "2026-01-01T00:00:00Z",
	}
	switch i {
	case 3:
		annotations[handshake.LockAnnotation] = "night-2/held/a-5s"
	case 0:
		annotations[handshake.TriggerAnnotation] = s.trigger
	case 1:
		annotations[handshake.LockAnnotation] = "night-1/lost/a-5s"
		annotations[handshake.LastRunAnnotation] = `{"run":"night-0","outcome":"ok",` +
			`"cutTime":"2026-01-01T00:00:00Z","freezeSeconds":2}`
	}
	for key, value := range s.more[i] {
		annotations[key] = value
	}
	return map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": map[string]any{
			"name": fmt.Sprintf("data-%d", i), "namespace": "app", "uid": fmt.Sprintf("claim-%d", i),
			"resourceVersion": "1", "annotations": annotations,
		},
	}
}

func (s *manyClaims) source(i int) map[string]any {
	return map[string]any{
		"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
		"metadata": map[string]any{"name": fmt.Sprintf("nightly-%d", i), "namespace": "app",
			"uid": fmt.Sprintf("source-%d", i)},
		"spec": map[string]any{
			"sourcePVC": fmt.Sprintf("data-%d", i), "restic": map[string]any{"copyMethod": "Snapshot"},
		},
		"status": map[string]any{"lastSyncStartTime": "2026-01-01T00:00:00Z"},
	}
}

// snapshot is the copy of data-2 alone; the others are of nobody.
func (s *manyClaims) snapshot(i int) map[string]any {
	name := fmt.Sprintf("by-hand-%d", i)
	if i == 2 {
		name = "volsync-nightly-2-src"
	}
	return map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
		"metadata": map[string]any{"name": name, "namespace": "app", "uid": name},
		"status":   map[string]any{"error": map[string]any{"message": "no space"}},
	}
}

// asked are the requests since it was called last.
func (s *manyClaims) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.requests
	s.requests = nil
	return asked
}

// arm sets a trigger on data-0.
func (s *manyClaims) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trigger = "by-hand"
	close(s.changed)
	s.changed = make(chan struct{})
}

// ran runs a command line to its end.
func ran(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = newProgram(&out, &log, withSignals()).main(append([]string{"copytrigger"}, args...), "v1")
	return code, out.String(), log.String()
}
