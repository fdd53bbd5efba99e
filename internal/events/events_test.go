package events

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// server is an API server with the claim data. It keeps the Events that are made.
type server struct {
	mu      sync.Mutex
	made    []map[string]any
	asked   int
	refuses int           // with this status; 0 for nothing
	hangs   chan struct{} // until it is closed; nil for not at all
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.hangs != nil {
		<-s.hangs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/namespaces/app/persistentvolumeclaims/data":
		_, _ = w.Write([]byte(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",` +
			`"metadata":{"name":"data","namespace":"app","uid":"uid-1","resourceVersion":"7"}}`))
	case "POST /api/v1/namespaces/app/events":
		if s.asked++; s.refuses != 0 {
			w.WriteHeader(s.refuses)
			reason := map[int]string{http.StatusForbidden: "Forbidden"}[s.refuses]
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"` + reason + `"}`))
			return
		}
		var e map[string]any
		if json.NewDecoder(r.Body).Decode(&e) == nil {
			s.made = append(s.made, e)
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(e)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// recorder is a Recorder on the server, and what it says is wrong.
func recorder(t *testing.T, s *server) (*Recorder, *[]error) {
	t.Helper()
	api := httptest.NewServer(s)
	t.Cleanup(api.Close)
	config := &rest.Config{Host: api.URL, QPS: -1}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	md, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []error
	return In(dyn, md, "app", func(err error) { wrong = append(wrong, err) }), &wrong
}

func TestEventsAreWritten(t *testing.T) {
	s := &server{}
	r, wrong := recorder(t, s)
	r.Tell(Event{Claim: "data", Reason: "Fired", Message: "it was"})
	r.Tell(Event{Claim: "data", Warning: true, Reason: "Tainted", Message: strings.Repeat("ö", messageLimit)})
	r.Close(time.Minute)
	if len(s.made) != 2 || len(*wrong) != 0 {
		t.Fatalf("got %v, and %v", s.made, *wrong)
	}
	about, _ := s.made[0]["involvedObject"].(map[string]any)
	if about["uid"] != "uid-1" || about["kind"] != "PersistentVolumeClaim" || about["name"] != "data" {
		t.Errorf("it is about %v", about)
	}
	for i, want := range []map[string]any{
		{"type": "Normal", "reason": "Fired", "message": "it was"}, {"type": "Warning", "reason": "Tainted"},
	} {
		for key, value := range want {
			if s.made[i][key] != value {
				t.Errorf("Event %d: %s is %v, want %v", i, key, s.made[i][key], value)
			}
		}
	}
	long, _ := s.made[1]["message"].(string)
	if len(long) > messageLimit || !utf8.ValidString(long) || !strings.HasSuffix(long, "ö …") {
		t.Errorf("%d bytes of message, ending with %q", len(long), long[len(long)-8:])
	}
}

// An account without the right to write Events asks once, and it is no trouble.
func TestForbidden(t *testing.T) {
	s := &server{refuses: http.StatusForbidden}
	r, wrong := recorder(t, s)
	for range 3 {
		r.Tell(Event{Claim: "data"})
	}
	r.Close(time.Minute)
	if s.asked != 1 || len(*wrong) != 0 {
		t.Errorf("asked %d times; %v", s.asked, *wrong)
	}
}

func TestTroubleIsSaid(t *testing.T) {
	s := &server{refuses: http.StatusBadRequest}
	r, wrong := recorder(t, s)
	r.Tell(Event{Claim: "data"})
	r.Tell(Event{Claim: "another"}) // that is not there
	r.Close(time.Minute)
	if len(*wrong) != 2 || s.asked != 1 {
		t.Errorf("got %v", *wrong)
	}
}

// Nobody waits for a server that does not answer: not who tells more than fits, and not the end.
func TestNobodyWaits(t *testing.T) {
	s := &server{hangs: make(chan struct{})}
	r, _ := recorder(t, s)
	for range 2 * waiting {
		r.Tell(Event{Claim: "data"})
	}
	r.Close(0)
	r.Tell(Event{Claim: "data"})
	r.Close(time.Hour)
	close(s.hangs)
}

func TestNothingToWrite(t *testing.T) {
	var none *Recorder
	none.Tell(Event{})
	none.Close(time.Hour)
	r, _ := recorder(t, &server{})
	r.Close(time.Hour)
}

// The API server takes 1024 bytes, and no part of a character.
func TestCutAtTheLimit(t *testing.T) {
	long := strings.Repeat("é", messageLimit/2)
	if got := cut(long); got != long {
		t.Errorf("of the limit: got %d bytes", len(got))
	}
	for _, message := range []string{long + "x", "x" + long} {
		if got := cut(message); len(got) > messageLimit || !utf8.ValidString(got) || !strings.HasSuffix(got, " …") {
			t.Errorf("%d bytes: got %d: %q", len(message), len(got), got[len(got)-8:])
		}
	}
}
