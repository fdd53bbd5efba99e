package volsync

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

const claim = `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1",` +
	`"metadata":{"name":"volsync-rs-src","uid":"u1"}}`

func cloneOf(rest string) string {
	return `{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"volsync-rs-src","uid":"u1"` + rest + `}`
}

func snapshot(rest string) string {
	return `{"apiVersion":"snapshot.storage.k8s.io/v1","kind":"VolumeSnapshot",` +
		`"metadata":{"name":"volsync-rs-src","namespace":"app","uid":"u1"` + rest + `}`
}

func TestCopy(t *testing.T) {
	vs, pvc := volumeSnapshots+"/volsync-rs-src", volumeClaims+"/volsync-rs-src"
	for name, c := range map[string]struct {
		method, path, answer string
		want                 *handshake.Copy
	}{
		"none yet":     {method: "Snapshot", path: vs, answer: "404"},
		"no clone yet": {method: "Clone", path: pvc, answer: "404"},
		"without status": {
			method: "Snapshot", path: vs,
			answer: snapshot("}"),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1"},
		},
		"being deleted": {
			method: "Snapshot", path: vs,
			answer: snapshot(`,"deletionTimestamp":"2026-01-01T00:00:00Z"}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1", Deleting: true},
		},
		"cut": {
			method: "Snapshot", path: vs,
			answer: snapshot(`},"status":{"creationTime":"2026-01-01T00:00:01Z","readyToUse":false}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1", Cut: "2026-01-01T00:00:01Z"},
		},
		"VolSync's, of the claim": {
			method: "Snapshot", path: vs,
			answer: snapshot(`,"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u2"},` +
				`{"apiVersion":"volsync.backube/v1alpha1","kind":"ReplicationSource","name":"rs","uid":"u3",` +
				`"controller":true}]},"spec":{"source":{"persistentVolumeClaimName":"data"}},` +
				`"status":{"boundVolumeSnapshotContentName":"content"}`),
			want: &handshake.Copy{
				Name: "volsync-rs-src", UID: "u1", Owner: "u3", OwnerName: "ReplicationSource/rs",
				Of: "data", Bound: true,
			},
		},
		"with a problem": {
			method: "Snapshot", path: vs,
			answer: snapshot(`},"status":{"error":{"message":"no space","time":"2026-01-01T00:00:01Z"}}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1", Problem: "no space"},
		},
		"a clone": {
			method: "Clone", path: pvc,
			answer: cloneOf(`},"status":{"phase":"Pending"}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1"},
		},
		"a clone that is bound": {
			method: "Clone", path: pvc,
			answer: cloneOf(`},"status":{"phase":"Bound"}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1", Bound: true},
		},
		"a clone going": {
			method: "Clone", path: pvc,
			answer: cloneOf(`,"deletionTimestamp":"2026-01-01T00:00:00Z"}`),
			want:   &handshake.Copy{Name: "volsync-rs-src", UID: "u1", Deleting: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := serve(
				t,
				map[string]string{c.path: c.answer},
			).Copy(t.Context(), handshake.Source{Name: "rs", Method: c.method})
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// VolSync keeps when a sync ended, and how long it took; from that follows when it began.
func TestLastSyncStart(t *testing.T) {
	for _, c := range []struct{ end, took, want string }{
		{"2026-01-01T00:01:00Z", "1m0s", "2026-01-01T00:00:00Z"},
		{"2026-01-01T00:01:00Z", "1m0.999999999s", "2026-01-01T00:00:00Z"},
		{"2026-01-01T00:01:00Z", "59.000000001s", "2026-01-01T00:00:01Z"},
		{"2026-01-01T01:01:00+01:00", "1m0.5s", "2026-01-01T00:00:00Z"},
		{"", "1m0s", ""},
		{"2026-01-01T00:01:00Z", "", ""},
		{"soon", "long", ""},
	} {
		if got := lastSyncStart(c.end, c.took); got != c.want {
			t.Errorf("ended %q after %q: got %q, want %q", c.end, c.took, got, c.want)
		}
	}
}

func TestCopyForbidden(t *testing.T) {
	for method, c := range map[string]struct{ path, want string }{
		"Snapshot": {volumeSnapshots, "get volumesnapshots.snapshot.storage.k8s.io app/volsync-rs-src: no"},
		"Clone":    {volumeClaims, "get persistentvolumeclaims app/volsync-rs-src: no"},
	} {
		got, err := serve(
			t,
			map[string]string{c.path + "/volsync-rs-src": "403"},
		).Copy(t.Context(), handshake.Source{Name: "rs", Method: method})
		if got != nil || !kube.IsForbidden(err) || err.Error() != c.want {
			t.Errorf("%s: got %v, %v, want %s", method, got, err, c.want)
		}
	}
}

// What is watched, and that a refusal ends it and names it.
func TestFollow(t *testing.T) {
	one := "?fieldSelector=metadata.name%3Dvolsync-rs-src&watch=true"
	source := func(method string) handshake.Source { return handshake.Source{Name: "rs", Method: method} }
	type follow func(ctx context.Context, o Objects, changed func(), trouble kube.Trouble) error
	for name, c := range map[string]struct {
		path   string
		follow follow
		want   string
	}{
		"sources": {
			replicationSources + "?watch=true",
			func(ctx context.Context, o Objects, changed func(), trouble kube.Trouble) error {
				return o.FollowSources(ctx, func(string) { changed() }, trouble)
			},
			"watch replicationsources.volsync.backube in namespace app: ",
		},
		"snapshot": {
			volumeSnapshots + one,
			func(ctx context.Context, o Objects, changed func(), trouble kube.Trouble) error {
				return o.FollowCopy(ctx, source("Snapshot"), changed, trouble)
			},
			"watch volumesnapshots.snapshot.storage.k8s.io app/volsync-rs-src: ",
		},
		"clone": {
			volumeClaims + one,
			func(ctx context.Context, o Objects, changed func(), trouble kube.Trouble) error {
				return o.FollowCopy(ctx, source("Clone"), changed, trouble)
			},
			"watch persistentvolumeclaims app/volsync-rs-src: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, answer := range []string{"403", "no such group"} {
				err := c.follow(
					ctx,
					serve(t, map[string]string{c.path: answer}),
					func() { t.Error("changed") },
					func(err error) bool {
						if kube.Passing(err) {
							t.Errorf("tried again: %v", err)
							cancel()
						}
						return kube.Passing(err)
					},
				)
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("got %v, want %s…", err, c.want)
				}
			}
			// Events of the real client: one of each, then a refusal in the stream.
			events, object := "", snapshot("}")
			if name == "clone" {
				object = claim
			}
			for _, kind := range []string{"ADDED", "MODIFIED", "DELETED"} {
				events += fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", kind, object)
			}
			events += `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",` +
				`"reason":"Forbidden","code":403,"message":"revoked"}}` + "\n"
			changes := 0
			err := c.follow(ctx, serve(t, map[string]string{c.path: events}), func() { changes++ }, func(err error) bool {
				if kube.Passing(err) {
					t.Errorf("tried again: %v", err)
					cancel()
				}
				return kube.Passing(err)
			})
			if changes != 4 || !kube.IsForbidden(err) {
				t.Errorf("got %d changes, %v, want 4, and the refusal", changes, err)
			}
		})
	}
}
