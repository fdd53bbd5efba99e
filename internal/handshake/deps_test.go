package handshake

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDependencies: the protocol is pure, so that it can be read, and searched, without
// anything else. Its dependencies are the table of outcomes and the standard
// library, and nothing in it that does I/O.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var foreign, standard []string
	for line := range strings.Lines(string(out)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "true "); ok {
			standard = append(standard, path)
		} else {
			foreign = append(foreign, strings.TrimPrefix(strings.TrimSpace(line), "false "))
		}
	}
	const internal = "github.com/copytrigger/copytrigger/internal/"
	if !slices.Equal(foreign, []string{internal + "outcome", internal + "handshake"}) {
		t.Errorf("it reaches %q beyond the standard library, want itself and the table of outcomes alone", foreign)
	}
	if !slices.Contains(standard, "crypto/sha256") {
		t.Errorf("the list is not one of this package's dependencies: %q", standard)
	}
	direct, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(direct)) {
		if slices.Contains([]string{"os", "io", "net", "net/http", "time", "context", "log", "log/slog"}, path) {
			t.Errorf("it imports %s; it decides, and leaves doing and waiting to others", path)
		}
	}
}
