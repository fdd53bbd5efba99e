package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

func TestCount(t *testing.T) {
	for name, c := range map[string]struct{ events, want string }{
		"nothing": {"", "not run"},
		"all": {`{"Time":"2026-11-28T01:00:00Z","Action":"run","Package":"p","Test":"A"}
{"Time":"2026-11-28T01:00:00Z","Action":"pass","Package":"p","Test":"A/b"}
{"Time":"2026-11-29T01:00:00Z","Action":"pass","Package":"p","Test":"A"}
{"Time":"2026-11-29T01:00:00Z","Action":"pass","Package":"p"}`, "2 passed, 2026-11-29"},
		"some skipped": {`{"Time":"2026-11-28T01:00:00Z","Action":"pass","Package":"p","Test":"A"}
{"Action":"skip","Package":"p","Test":"B"}`, "1 passed, 1 skipped, 2026-11-28"},
		"one failed": {
			`{"Action":"fail","Package":"p","Test":"A"}` + "\n" + `{"Action":"fail","Package":"p"}`,
			"**1 failed**, 0 passed",
		},
		"none, and failed": {`{"Action":"fail","Package":"p"}`, "**1 failed**, 0 passed"},
	} {
		got, err := count(strings.NewReader(c.events))
		if err != nil || got.String() != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
	if _, err := count(strings.NewReader("ok  \tp\n")); err == nil {
		t.Error("no error for what is not JSON")
	}
}

// The page says what is pinned now, and that each suite has run on it.
func TestPageIsOfTheVersionsInTheTable(t *testing.T) {
	source, err := cluster.FindSource()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(source, "docs", "versions.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sets []set
	for _, name := range []string{"current", "oldest"} {
		v, err := cluster.ReadVersions(source, name)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set{versions: v})
	}
	want, _, _ := strings.Cut(page(sets), "\nWhat ran")
	if !strings.HasPrefix(string(text), want) {
		t.Errorf("docs/versions.md does not begin with\n%s\nrun make versions", want)
	}
	if strings.Contains(string(text), "failed**") {
		t.Error("docs/versions.md has a suite that failed")
	}
}
