package storage

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

const (
	claimPath = "GET /api/v1/namespaces/app/persistentvolumeclaims/data"
	claim     = `{"apiVersion":"v1","kind":"PersistentVolumeClaim",` +
		`"metadata":{"name":"data","annotations":{"volume.kubernetes.io/storage-provisioner":"csi.example"}},` +
		`"spec":{"volumeName":"pv-1","storageClassName":"standard",` +
		`"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`
	volumePath = "GET /api/v1/persistentvolumes/pv-1"
	volume     = `{"apiVersion":"v1","kind":"PersistentVolume",` +
		`"spec":{"capacity":{"storage":"1Gi"},"claimRef":{},"nodeAffinity":{},%s}}`
	classesPath = "GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"
	classes     = `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshotClassList","items":[` +
		`{"driver":"csi.example",` +
		`"metadata":{"name":"fast","annotations":{"snapshot.storage.kubernetes.io/is-default-class":"true"}}},` +
		`{"driver":"csi.other","metadata":{"name":"other"}}]}`
	no = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`
)

// in is the storage of a server that has these answers; everything else is not there.
func in(t *testing.T, answers map[string]string) Storage {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.URL.Query().Get("dryRun") != "All" {
			t.Errorf("it writes: %s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		answer, is := answers[r.Method+" "+r.URL.Path]
		switch {
		case !is:
			http.NotFound(w, r)
			return
		case answer == no:
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return In(client, "app")
}

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		answers map[string]string
		want    handshake.Storage
		unread  string
	}{
		"a snapshot": {
			method:  "Snapshot",
			answers: map[string]string{volumePath: fmt.Sprintf(volume, `"csi":{"driver":"csi.example"}`), classesPath: classes},
			want:    handshake.Storage{Driver: "csi.example"},
		},
		"no snapshots here": {
			method:  "Snapshot",
			answers: map[string]string{volumePath: fmt.Sprintf(volume, `"csi":{"driver":"csi.example"}`)},
			want:    handshake.Storage{Driver: "csi.example", NoSnapshots: true},
		},
		"no volume of CSI": {
			method:  "Snapshot",
			answers: map[string]string{volumePath: fmt.Sprintf(volume, `"hostPath":{"path":"/x"}`), classesPath: classes},
			want:    handshake.Storage{NotCSI: "of kind hostPath"},
		},
		"the driver by the claim alone": {
			method: "Snapshot", answers: map[string]string{volumePath: no, classesPath: no},
			want: handshake.Storage{Driver: "csi.example"}, unread: "volumesnapshotclasses",
		},
		"a clone": {
			method: "Clone",
			answers: map[string]string{
				volumePath: fmt.Sprintf(volume, `"csi":{"driver":"csi.example"}`),
				"GET /apis/storage.k8s.io/v1/storageclasses/standard": `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass",` +
					`"volumeBindingMode":"WaitForFirstConsumer"}`,
			},
			want: handshake.Storage{Driver: "csi.example", Class: "standard", Binding: handshake.BindsLate},
		},
		"a clone by a class that may not be read": {
			method: "Clone", answers: map[string]string{volumePath: no,
				"GET /apis/storage.k8s.io/v1/storageclasses/standard": no},
			want: handshake.Storage{Driver: "csi.example", Class: "standard"}, unread: "storageclasses.storage.k8s.io standard",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.answers[claimPath] = claim
			got, err := in(t, c.answers).Of(t.Context(), "data", handshake.Source{Method: c.method})
			if err != nil {
				t.Fatal(err)
			}
			if got.Driver != c.want.Driver || got.NotCSI != c.want.NotCSI || got.NoSnapshots != c.want.NoSnapshots ||
				got.Class != c.want.Class || got.Binding != c.want.Binding {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if said := strings.Join(got.Unread, " "); !strings.Contains(said, c.unread) || (c.unread == "") != (said == "") {
				t.Errorf("it could not read %q, want %q", said, c.unread)
			}
			if c.answers[classesPath] == classes && (len(got.Classes) != 2 || !got.Classes[0].Default ||
				got.Classes[1].Driver != "csi.other") {
				t.Errorf("got classes %+v", got.Classes)
			}
		})
	}
}

// The try is a dry run, and its error is kept as it is.
func TestTryCopy(t *testing.T) {
	for method, path := range map[string]string{
		"Snapshot": "POST /apis/snapshot.storage.k8s.io/v1/namespaces/app/volumesnapshots",
		"Clone":    "POST /api/v1/namespaces/app/persistentvolumeclaims",
	} {
		by := handshake.Source{Name: "nightly", Method: method}
		fine := in(t, map[string]string{claimPath: claim, path: `{"apiVersion":"v1","kind":"X"}`})
		if err := fine.TryCopy(t.Context(), "data", by); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		refused := in(t, map[string]string{claimPath: claim, path: no})
		if err := refused.TryCopy(t.Context(), "data", by); !kube.IsForbidden(err) ||
			!strings.Contains(err.Error(), "volsync-nightly-src") {
			t.Errorf("%s: %v", method, err)
		}
	}
}
