package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// A result is read as it was written, and a reason is cut only at its end.
func FuzzResults(f *testing.F) {
	for _, s := range []string{"", "r.0123456789abcdef", strings.Repeat("é", 600), "a\nb", `"quoted"`, "\xff"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		var v Values
		v.Set("trigger", s)
		v.Set("reason", s)
		var out strings.Builder
		if err := v.Write(&out, dir); err != nil {
			t.Fatal(err)
		}
		var object map[string]string
		if err := json.Unmarshal([]byte(out.String()), &object); err != nil || utf8.ValidString(s) && object["reason"] != s {
			t.Errorf("%q: stdout is %q, %v", s, out.String(), err)
		}
		if got, err := Read(filepath.Join(dir, "trigger")); err != nil || len(s) < 4<<10 && got != strings.TrimSpace(s) {
			t.Errorf("%q is read as %q, %v", s, got, err)
		}
		reason, err := os.ReadFile(filepath.Join(dir, "reason"))
		cut := strings.TrimSuffix(string(reason), "…")
		if err != nil || len(reason) > reasonLimit || !strings.HasPrefix(s, cut) {
			t.Errorf("%q is cut to %q, %v", s, reason, err)
		}
	})
}
