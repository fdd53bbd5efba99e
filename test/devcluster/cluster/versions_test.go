package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const table = `
# a comment
set             current  oldest
kubernetes      1.37.2   1.34.4
volsync         2        1
snapshotter     2        1
tekton          2        1
argo-workflows  4.0.5    3.7.9
argo-events     2        1
nats-server     2        1
restic          2        1
`

func TestVersionsAreASetsColumn(t *testing.T) {
	for set, want := range map[string]string{"current": "1.37.2", "oldest": "1.34.4"} {
		v, err := parseVersions([]byte(table), set)
		if err != nil || v.Set != set || v.Of("kubernetes") != want {
			t.Errorf("%s: got %+v, %v, want kubernetes %s", set, v, err, want)
		}
	}
	v, _ := parseVersions([]byte(table), "oldest")
	if got := v.argoModule(); got != "github.com/argoproj/argo-workflows/v3" {
		t.Errorf("got module %s", got)
	}
}

func TestVersionsSayWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ text, set, want string }{
		"another set":     {table, "newest", `no set "newest": there are current and oldest`},
		"no sets":         {"kubernetes 1", "current", `is not a project and a version for each set`},
		"nothing":         {"", "current", `no line begins with "set"`},
		"a hole":          {table + "etcd 3\n", "current", `"etcd 3" is not a project`},
		"a project short": {strings.Replace(table, "restic", "rustic", 1), "current", "has no version of restic"},
	} {
		if _, err := parseVersions([]byte(c.text), c.set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

// What is built is what the table says: a version there without test/devcluster/upstream/pin
// changes nothing, and would be reported all the same.
func TestModulesRequireTheVersionsOfTheTable(t *testing.T) {
	source, err := FindSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"current", "oldest"} {
		v, err := ReadVersions(source, set)
		if err != nil {
			t.Fatal(err)
		}
		for project, module := range map[string]string{
			"kubernetes": "k8s.io/kubernetes", "volsync": volsyncModule, "snapshotter": snapshotterModule,
			"tekton": tektonModule, "argo-workflows": v.argoModule(), "restic": resticModule,
			"argo-events": eventsModule, "nats-server": natsModule,
		} {
			file := v.modfile(source, project)
			text, err := os.ReadFile(filepath.Join(source, "test", file))
			if err != nil {
				t.Fatal(err)
			}
			if want := module + " v" + v.Of(project); !requires(string(text), want) {
				t.Errorf("%s does not require %s: run test/devcluster/upstream/pin %s", file, want, set)
			}
		}
	}
}

func requires(mod, want string) bool {
	for line := range strings.Lines(mod) {
		line, _, _ = strings.Cut(line, "//")
		if strings.TrimPrefix(strings.TrimSpace(line), "require ") == want {
			return true
		}
	}
	return false
}
