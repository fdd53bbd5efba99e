package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/copytrigger/copytrigger/"
	lib    = "github.com/urfave/cli/v2"
)

// list is what `go list` says of packages of this module.
func list(t *testing.T, flag, value, pattern string) []string {
	t.Helper()
	args := []string{"list", flag}
	if value != "" {
		args = append(args, value)
	}
	out, err := exec.Command("go", append(args, module+pattern)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Which rooms a room may reach. The way of the data is one sentence, with no way back.
func TestRooms(t *testing.T) {
	const (
		outcome, file, exitfile = "internal/outcome", "internal/file", "internal/exitfile"
		result, kube, handshake = "internal/result", "internal/kube", "internal/handshake"
		quiesce, verdict        = "internal/quiesce", "internal/verdict"
		process                 = "internal/process"
		pvc, pods, volsync      = "internal/pvc", "internal/pods", "internal/volsync"
		podexec, events         = "internal/podexec", "internal/events"
		storage, jobs           = "internal/storage", "internal/jobs"
	)
	all := []string{
		outcome, file, exitfile, result, kube, handshake, process, quiesce, verdict, pvc, pods, podexec, volsync, events,
		storage, jobs, "internal/step",
	}
	may := map[string][]string{
		outcome:   {},
		file:      {},
		kube:      {},
		process:   {},
		quiesce:   {process, kube, pods, podexec},
		exitfile:  {file},
		result:    {file},
		handshake: {outcome},
		verdict:   {outcome, exitfile, file},
		pvc:       {kube},
		pods:      {kube},
		podexec:   {kube, pods},
		events:    {kube},
		volsync:   {kube, handshake, outcome},
		storage:   {kube, handshake, outcome},
		jobs:      {kube, handshake, outcome},

		"internal/step": {outcome, file, exitfile, result, kube, handshake, process, quiesce, pvc, pods, podexec,
			volsync, events},
		"internal/cli": all,
	}
	for room, allowed := range may {
		t.Run(room, func(t *testing.T) {
			got := list(t, "-deps", "", room)
			if !slices.Contains(got, module+room) {
				t.Fatalf("the list does not have the room itself: %q", got)
			}
			for _, d := range got {
				if rest, ours := strings.CutPrefix(d, module); ours && rest != room && !slices.Contains(allowed, rest) {
					t.Errorf("%s reaches %s", room, rest)
				}
				if room != "internal/cli" && strings.HasPrefix(d, "github.com/urfave/cli") {
					t.Errorf("%s reaches %s", room, d)
				}
			}
		})
	}
}

// The tests of this room take no signals of the process, which it has only once: see
// [testSignals].
func TestNoTestTakesTheSignalsOfTheProcess(t *testing.T) {
	got := strings.Fields(list(t, "-f", `{{join .TestImports " "}} {{join .XTestImports " "}}`, "internal/cli")[0])
	if !slices.Contains(got, "testing") {
		t.Fatalf("the list does not have what tests import: %q", got)
	}
	if slices.Contains(got, "os/signal") {
		t.Error("a test imports os/signal")
	}
}

// Only this room knows the library for command lines.
func TestOnlyHereImportsUrfave(t *testing.T) {
	var who []string
	for _, line := range list(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "...") {
		names := strings.Fields(line)
		if slices.Contains(names[1:], lib) {
			who = append(who, names[0])
		}
	}
	if want := []string{module + "internal/cli"}; !slices.Equal(who, want) {
		t.Errorf("%q import %s, want %q", who, lib, want)
	}
}

// What makes binaries big, or what a licence forbids, never reaches the program.
func TestBinary(t *testing.T) {
	got := list(t, "-deps", "", "cmd/copytrigger")
	if !slices.Contains(got, lib) {
		t.Fatalf("the list does not have %s: %q", lib, got)
	}
	for _, d := range got {
		if d == "k8s.io/api/core/v1" {
			continue // names of streams, in client-go's remotecommand
		}
		for _, never := range []string{
			"k8s.io/client-go/kubernetes", "k8s.io/client-go/tools/cache", "k8s.io/client-go/informers", "k8s.io/api/",
			"github.com/tektoncd/", "knative.dev/", "github.com/backube/", "google.golang.org/grpc", module + "test",
		} {
			if d == never || strings.HasPrefix(d, strings.TrimSuffix(never, "/")+"/") {
				t.Errorf("the program reaches %s", d)
			}
		}
	}
}
