package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHashFollowsWhatIsBuilt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := program{name: "p", module: "m", pkg: ".", local: []string{"m"}}
	hash := func(version string) string {
		t.Helper()
		h, err := p.hash(dir, version)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	write("m/go.mod", "module m")
	write("m/go.sum", "")
	write("m/main.go", "package main")
	first := hash("go1")
	seen := map[string]string{first: "first"}
	different := func(what, got string) {
		t.Helper()
		if was, ok := seen[got]; ok {
			t.Errorf("%s: the same hash as %s", what, was)
		}
		seen[got] = what
	}

	write("m/main_test.go", "package main // not built")
	if got := hash("go1"); got != first {
		t.Error("a test changed the hash")
	}
	different("another go", hash("go2"))
	write("m/main.go", "package main // changed")
	different("another source", hash("go1"))
	write("m/go.sum", "x")
	different("another go.sum", hash("go1"))
	p.ldflags = "-X a.b=c"
	different("other flags", hash("go1"))
	write("m/other.mod", "module m")
	write("m/other.sum", "")
	p.modfile = "m/other.mod"
	different("other requirements", hash("go1"))
	write("m/other.sum", "y")
	different("their other sums", hash("go1"))
}

func TestHashWantsItsSources(t *testing.T) {
	if _, err := (program{name: "p", module: "m"}).hash(t.TempDir(), "go1"); err == nil {
		t.Error("no error without go.mod")
	}
}
