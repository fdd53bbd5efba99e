package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// TestStories runs the stories of ../stories, each with a claim of its own.
func TestStories(t *testing.T) {
	t.Parallel()
	harness.Need(t)
	testscript.Run(t, stories(t, false))
}

// TestStoriesAlone runs those that stop VolSync, which must be alone in the cluster.
func TestStoriesAlone(t *testing.T) {
	harness.Need(t)
	testscript.RunT(alone{t}, stories(t, true))
}

func stories(t *testing.T, alone bool) testscript.Params {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "stories", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	p := testscript.Params{Setup: tell, Cmds: commands, RequireExplicitExec: true}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if has(string(text), "volsync") == alone {
			p.Files = append(p.Files, file)
		}
	}
	return p
}

// has says whether a script uses a command.
func has(text, command string) bool { return strings.Contains(text, "\n"+command+" ") }

// alone runs scripts one after the other.
type alone struct{ *testing.T }

func (a alone) Parallel()     {}
func (a alone) Verbose() bool { return testing.Verbose() }
func (a alone) Run(name string, f func(testscript.T)) {
	a.T.Run(name, func(t *testing.T) { f(alone{t}) })
}
