package step

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that says that the claim is locked is believed by its own run alone, and only where it can
// be read.
func FuzzReadLocked(f *testing.F) {
	for _, s := range []string{
		"", "{}", "null", "[]", `{"run": "r"}`,
		`{"run": "r", "about": "PVC app/data", "owner": "o", "until": "2026-01-01T00:00:00Z"}`,
		`{"run": "r", "until": "soon"}`, `{"run": "other"}`, `{"run": 1}`, `{"run": "r"} x`, `{"run": "r"`,
	} {
		f.Add([]byte(s), "r")
	}
	path := filepath.Join(f.TempDir(), "locked")
	f.Fuzz(func(t *testing.T, text []byte, run string) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if l, found := readLocked(path, run); found && l.Run != run {
			t.Errorf("%q is believed by run %q", text, run)
		}
		forgetLocked(path, run)
		if _, found := readLocked(path, run); found {
			t.Errorf("%q is not forgotten by run %q", text, run)
		}
	})
}
