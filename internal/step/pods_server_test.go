package step

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/pods"
)

// With the real client: the pod ends while a watch is broken, and nobody says so.
func TestAwaitPodsEndedOverABrokenWatch(t *testing.T) {
	const pod = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","namespace":"app"}}`
	var lists, watches atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Has("watch") {
			if watches.Add(1) > 1 {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done() // it stands, and nothing happens
			}
			return // or ends at once
		}
		lists.Add(1)
		items := pod
		if watches.Load() > 1 { // it has ended since the first watch did
			items = ""
		}
		fmt.Fprintf(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":[%s]}`, items)
	}))
	defer server.Close()
	client, err := metadata.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := Step{Pods: pods.In(client, namespace), Namespace: namespace, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if err := s.AwaitPodsEnded(t.Context(), AwaitPodsEndedOptions{Selector: podLabels, Timeout: time.Minute}); err != nil {
		t.Error(err)
	}
	if lists.Load() < 2 || watches.Load() < 2 {
		t.Errorf("%d lists, %d watches, want two of each", lists.Load(), watches.Load())
	}
}
