package volsync

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

const (
	replicationSources = "/apis/volsync.backube/v1alpha1/namespaces/app/replicationsources"
	volumeSnapshots    = "/apis/snapshot.storage.k8s.io/v1/namespaces/app/volumesnapshots"
	volumeClaims       = "/api/v1/namespaces/app/persistentvolumeclaims"
)

// serve answers the given paths, and refuses every other request.
func serve(t *testing.T, answers map[string]string) Objects {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.String()]
		if r.Method != http.MethodGet || !ok {
			t.Errorf("unknown request %s %s", r.Method, r.URL)
		}
		// Of a clone its phase counts; that it is watched tells enough with its metadata alone.
		watched := strings.HasPrefix(r.URL.Path, volumeClaims) && r.URL.Query().Has("watch")
		if watched != strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadata") {
			t.Errorf("%s with Accept %q", r.URL, r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "application/json")
		switch answer {
		case "404", "403":
			code := map[string]int{"404": 404, "403": 403}[answer]
			reason := map[string]string{"404": "NotFound", "403": "Forbidden"}[answer]
			w.WriteHeader(code)
			answer = fmt.Sprintf(
				`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"no"}`,
				reason,
				code,
			)
		case "no such group":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(404)
			answer = "404 page not found\n"
		}
		io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL, QPS: -1}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	md, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return In(dyn, md, "app", "copytrigger")
}

// list is the answer to a list request, of the objects of one testdata file.
func list(t *testing.T, file string) string {
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var items []string
	for _, doc := range strings.Split(string(b), "\n---\n") {
		j, err := yaml.YAMLToJSON([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, string(j))
	}
	return `{"kind":"ReplicationSourceList","apiVersion":"volsync.backube/v1alpha1",` +
		`"metadata":{"resourceVersion":"1"},"items":[` + strings.Join(items, ",") + `]}`
}

// sourcesOf are those of one claim.
func sourcesOf(t *testing.T, o Objects, claim string) (of []handshake.Source, err error) {
	all, err := o.Sources(t.Context())
	for _, source := range all {
		if source.Claim == claim {
			of = append(of, source)
		}
	}
	return of, err
}

func TestSources(t *testing.T) {
	o := serve(t, map[string]string{replicationSources: list(t, "sources.yaml")})
	for claim, want := range map[string][]handshake.Source{
		"restic": {{Name: "restic", UID: "u-restic", Mover: "restic", Method: "Snapshot", SyncStart: "2026-01-01T00:00:00Z",
			Version: "1", LastSync: "2025-12-31T23:30:10Z", Schedule: "*/30 * * * *",
			NextSync: "2026-01-01T00:30:00Z", MoverResult: "Successful", MoverLog: "snapshot 1a2b saved"}},
		"rclone": {{Name: "rclone", UID: "u-rclone", Mover: "rclone", Method: "Clone", Paused: true,
			LastSync: "2025-12-31T23:30:10Z", Manual: "first", LastManual: "first"}},
		"rsync":     {{Name: "rsync", UID: "u-rsync", Mover: "rsync", Method: "Direct"}},
		"rsync-tls": {{Name: "rsync-tls", UID: "u-rsync-tls", Mover: "rsyncTLS", Method: "Snapshot", Deleting: true}},
		"kopia":     {{Name: "kopia", UID: "u-kopia", Mover: "kopia", Method: "Snapshot"}},
		"syncthing": {{Name: "syncthing", UID: "u-syncthing", Mover: "syncthing"}},
		"external":  {{Name: "external", UID: "u-external", Mover: "external"}},
		"no-method": {{Name: "no-method", UID: "u-no-method", Mover: "restic"}},
		"unknown":   {{Name: "unknown", UID: "u-unknown", Mover: "teleport", Method: "Snapshot"}},
		"twice": {{Name: "twice-a", UID: "u-twice-a", Mover: "restic", Method: "Snapshot"},
			{Name: "twice-b", UID: "u-twice-b", Mover: "rclone", Method: "Snapshot"}},
		"bare": {{Name: "bare", UID: "u-bare"}},
		"none": nil,
	} {
		t.Run(claim, func(t *testing.T) {
			for i := range want {
				want[i].Claim = claim
			}
			got, err := sourcesOf(t, o, claim)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// Fields come in random order, and the answer must not.
func TestSourcesWithTwoMovers(t *testing.T) {
	o := serve(t, map[string]string{replicationSources: list(t, "movers.yaml")})
	for claim, want := range map[string]handshake.Source{
		"two":   {Name: "two", Claim: "two", Mover: "rclone and restic", Method: "Direct"},
		"three": {Name: "three", Claim: "three", Mover: "kopia and rclone and restic", Method: "Clone"},
	} {
		for range 50 {
			got, err := sourcesOf(t, o, claim)
			if err != nil || len(got) != 1 || got[0] != want {
				t.Fatalf("got %+v, %v, want %+v", got, err, want)
			}
		}
	}
}

func TestSourcesErrors(t *testing.T) {
	for answer, is := range map[string]func(error) bool{
		"403": kube.IsForbidden, "404": kube.IsNotFound, "no such group": kube.IsNotFound,
	} {
		_, err := serve(t, map[string]string{replicationSources: answer}).Sources(t.Context())
		if !is(err) || kube.Passing(err) {
			t.Errorf("%s: got %v, passing %v, want one that does not pass", answer, err, kube.Passing(err))
		}
		if want := "list replicationsources.volsync.backube in namespace app: "; err == nil ||
			!strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}
