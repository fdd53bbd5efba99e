package step

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/pods"
)

// With the real client: the pod ends while a watch is broken, and nobody says so.
func TestAwaitPodsEndedOverABrokenWatch(t *testing.T) {
	const pod = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","namespace":"app"}}`
	lists, watches := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Has("watch") {
			if watches++; watches > 1 {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done() // it stands, and nothing happens
			}
			return // or ends at once
		}
		items := pod
		if lists++; lists > 1 {
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
	if lists < 2 || watches < 2 {
		t.Errorf("%d lists, %d watches, want two of each", lists, watches)
	}
}
