package volsync

import (
	"encoding/json"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// VolSync's objects, and those of the storage, are read whatever is in them: other versions, and
// other hands, write them.
func FuzzObjects(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"metadata": {"name": "x", "uid": "u", "ownerReferences": [{"controller": true, "uid": "o"}]}}`,
		`{"spec": {"sourcePVC": "data", "paused": true, "restic": {"copyMethod": "Snapshot"}, "rclone": {}}, ` +
			`"status": {"lastSyncStartTime": "x"}}`,
		`{"spec": [], "status": 1, "metadata": {"deletionTimestamp": "x"}}`,
		`{"spec": {"restic": 1, "x": {"copyMethod": 2}}}`,
		`{"status": {"lastSyncTime": "2026-01-01T00:00:00Z", "lastSyncDuration": "1h"}}`, `{"metadata": 7}`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u := unstructured.Unstructured{}
		if json.Unmarshal(b, &u.Object) != nil {
			return
		}
		s := readSource(u)
		if s.Name != u.GetName() {
			t.Errorf("got %q", s.Name)
		}
		if c := readCopy(&u); c == nil {
			t.Error("there is no copy")
		}
	})
}

// The start of a sync comes before its end, or is not known.
func FuzzSyncStart(f *testing.F) {
	for _, s := range [][2]string{
		{"", ""},
		{"2026-01-01T00:00:00Z", "1h"},
		{"2026-01-01T00:00:00+02:00", "1.5s"},
		{"x", "1s"},
		{"2026-01-01T00:00:00Z", "-1s"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, end, took string) {
		start := lastSyncStart(end, took)
		if start == "" {
			return
		}
		was, err := time.Parse(time.RFC3339, start)
		ended, _ := time.Parse(time.RFC3339, end)
		d, _ := time.ParseDuration(took)
		if err == nil && d >= time.Second && !was.Before(ended) {
			t.Errorf("%s, %s: it began %s", end, took, start)
		}
	})
}
