package result

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ofGroup are results of a group, as long as they come.
func ofGroup(n int) Values {
	var v Values
	var names List[string]
	var claims List[Values]
	var copies []string
	for i := range n {
		name := fmt.Sprintf("postgresql-data-%d", i)
		names = append(names, name)
		copies = append(copies, name+"=00000000-0000-0000-0000-000000000000")
		var m Values
		m.Set("pvc", name)
		m.Set("outcome", "tainted")
		m.Set("reason", strings.Repeat(`"`, 300))
		claims = append(claims, m)
	}
	v.Set("outcome", "tainted")
	v.Set("reason", strings.Repeat("é", 600))
	v.Set("pvcs", names)
	v.Set("copy", strings.Join(copies, ","))
	v.Set("claims", claims)
	return v
}

// Tekton fails a TaskRun whose results are longer than 4096 bytes, in the freeze: what does not fit
// is left out of the lists, and counted. What a later step needs is whole, and so is stdout.
func TestFilesOfAGroupFitIntoTekton(t *testing.T) {
	for n, limit := range map[int]int{1: 0, 2: 0, 10: 0, 40: 0, 3: 1000, 50: 1000} {
		dir, v := t.TempDir(), ofGroup(n)
		if limit > 0 { // copies are never cut
			v.Set("copy", "")
			v.FitInto(limit)
		}
		var stdout strings.Builder
		if err := v.Write(&stdout, dir); err != nil {
			t.Fatal(err)
		}
		var carried []map[string]any // as Tekton does
		for _, name := range []string{"outcome", "reason", "pvcs", "copy", "claims"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			carried = append(carried, map[string]any{"key": name, "value": string(text), "type": 1})
			if name != "claims" && name != "pvcs" {
				continue
			}
			var list []any
			if err := json.Unmarshal(text, &list); err != nil {
				t.Fatalf("%d claims: %s is no JSON: %v", n, name, err)
			}
			known := len(list)
			if m, is := list[len(list)-1].(map[string]any); is && m["more"] != nil {
				known += int(m["more"].(float64)) - 1
			}
			if mark, is := list[len(list)-1].(string); is && strings.HasSuffix(mark, " more") {
				more, _ := strconv.Atoi(strings.TrimSuffix(mark, " more"))
				known += more - 1
			}
			if known != n {
				t.Errorf("%d claims: %s tells of %d: %s", n, name, known, text)
			}
		}
		message, err := json.Marshal(carried)
		if err != nil || len(message) > cmp.Or(limit, 4096-300) {
			t.Errorf("%d claims: %d bytes (%v)", n, len(message), err)
		}
		var whole struct{ Pvcs, Claims []any }
		if err := json.Unmarshal([]byte(stdout.String()), &whole); err != nil ||
			len(whole.Pvcs) != n || len(whole.Claims) != n {
			t.Errorf("%d claims: stdout has %d and %d (%v)", n, len(whole.Pvcs), len(whole.Claims), err)
		}
	}
	if err := ofGroup(2).Write(io.Discard, ""); err != nil {
		t.Error(err)
	}
}
