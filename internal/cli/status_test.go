package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

// A thousand claims take two pages of each kind, and no request for a claim by itself.
func TestStatusOfAThousandClaims(t *testing.T) {
	noEnv(t)
	server, kubeconfig := newManyClaims(t, 1000)
	code, stdout, stderr := ran(t, "status", "--kubeconfig", kubeconfig)
	if lines := strings.Count(stdout, "\n"); code != 0 || lines != 1001 || stderr != "" {
		t.Fatalf("exit code %d, %d lines, %s", code, lines, stderr)
	}
	want := []string{
		"GET persistentvolumeclaims", "GET persistentvolumeclaims", "GET replicationsources", "GET replicationsources",
		"GET volumesnapshots", "GET volumesnapshots",
	}
	if got := server.asked(); !slices.Equal(got, want) {
		t.Errorf("got %d requests: %q", len(got), got)
	}
}

// What each column says, and the next command as it works.
func TestStatusTable(t *testing.T) {
	noEnv(t)
	server, kubeconfig := newManyClaims(t, 12)
	server.trigger = "by-hand"
	const then = "2026-01-01T00:00:00Z"
	lost := `{"run":"night-0","outcome":"refused","endedAt":"` + then + `"}`
	server.more = map[int]map[string]string{
		5: {handshake.LastRunAnnotation: lost, handshake.LastGoodAnnotation: then},
		6: {
			handshake.LastRunAnnotation:  `{"run":"night-0","outcome":"tainted","endedAt":"` + then + `"}`,
			handshake.SinceAnnotation:    "",
			handshake.StatusAnnotation:   handshake.StatusCompleted,
			handshake.LastGoodAnnotation: "not a time",
		},
		7:  {handshake.LastRunAnnotation: `{"run":"night-0"}`},
		8:  {handshake.LastRunAnnotation: `{"run":"night-0","outcome":"ok","endedAt":"` + then + `"}`},
		9:  {handshake.LastRunAnnotation: lost, handshake.LockAnnotation: "night-1/lost/a-0s"},
		10: {handshake.LastRunAnnotation: lost, handshake.LockAnnotation: "night-0/cleanup/a-5s"},
		11: {handshake.LastRunAnnotation: lost, handshake.LockAnnotation: "night-1/cleanup/a-5s"},
	}
	_, stdout, _ := ran(t, "status", "--kubeconfig", kubeconfig)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	const rest = " # with the --unquiesce of the run, and --in-pod if it had that"
	for i, want := range []string{
		"NAME VOLSYNC SINCE ARMED LOCKED-BY LAST-RUN LAST-GOOD-COPY NEXT",
		"data-0 Synchronizing AGE yes <none> <none> <none> kubectl annotate --overwrite -n app pvc data-0 " +
			"volsync.backube/copy-trigger= --kubeconfig " + kubeconfig,
		"data-1 WaitingForTrigger AGE no night-1 (lost) did not end <none> copytrigger cleanup -n app --pvc data-1 " +
			"--run-id night-1 --kubeconfig " + kubeconfig + rest,
		"data-10 WaitingForTrigger AGE no night-0 (cleanup) refused AGE ago <none> copytrigger cleanup -n app " +
			"--pvc data-10 --run-id night-0 --kubeconfig " + kubeconfig,
		"data-11 WaitingForTrigger AGE no night-1 (cleanup) cleaning up <none> copytrigger cleanup -n app " +
			"--pvc data-11 --run-id night-1 --kubeconfig " + kubeconfig,
		"data-2 Synchronizing AGE no <none> <none> <none> kubectl delete -n app volumesnapshot/volsync-nightly-2-src " +
			"--kubeconfig " + kubeconfig,
		"data-3 WaitingForTrigger AGE no night-2 running <none> if that run is dead: copytrigger cleanup -n app " +
			"--pvc data-3 --run-id night-2 --kubeconfig " + kubeconfig + rest,
		"data-4 WaitingForTrigger AGE no <none> <none> <none> start a run",
		"data-5 WaitingForTrigger AGE no <none> refused AGE ago AGE start another run",
		"data-6 Synchronizing AGE no <none> tainted AGE ago <none> start another run",
		"data-7 WaitingForTrigger AGE no <none> unknown <none> start another run",
		"data-8 WaitingForTrigger AGE no <none> ok AGE ago <none> <none>",
		"data-9 WaitingForTrigger AGE no night-1 (lost) did not end <none> copytrigger cleanup -n app --pvc data-9 " +
			"--run-id night-1 --kubeconfig " + kubeconfig, // after a hold
	} {
		since := age(then, time.Now())
		got := strings.ReplaceAll(strings.Join(strings.Fields(lines[i]), " "), since, "AGE")
		if got != want {
			t.Errorf("line %d is\n%s\nwant\n%s", i, got, want)
		}
	}
}

func TestStatusFormats(t *testing.T) {
	noEnv(t)
	server, kubeconfig := newManyClaims(t, 3)
	server.more = map[int]map[string]string{
		0: {
			handshake.LastRunAnnotation: `{"run":"night-0","outcome":"refused","reason":"quiesce failed",` +
				`"endedAt":"2026-01-02T00:00:00Z"}`,
			handshake.LastGoodAnnotation: "2026-01-01T00:00:00Z",
		},
		2: {
			handshake.LastRunAnnotation: `{"run":"night-0","outcome":"refused","reason":"of the night before"}`,
			handshake.LockAnnotation:    "night-1/held/a-5s",
		},
	}
	of := func(format string) string {
		code, stdout, stderr := ran(t, "status", "--kubeconfig", kubeconfig, "-o", format)
		if code != 0 || stderr != "" {
			t.Fatalf("%s: exit code %d, %s", format, code, stderr)
		}
		return stdout
	}
	const claim = "persistentvolumeclaim/data-"
	if got := of("name"); got != claim+"0\n"+claim+"1\n"+claim+"2\n" {
		t.Errorf("got %q", got)
	}
	var byJSON, byYAML overviewJSON
	if err := json.Unmarshal([]byte(of("json")), &byJSON); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(of("yaml")), &byYAML); err != nil {
		t.Fatal(err)
	}
	for _, all := range []overviewJSON{byJSON, byYAML} {
		c := all.Items[1]
		if last := all.Items[0].LastRun; last.Reason != "quiesce failed" || last.EndedAt != "2026-01-02T00:00:00Z" ||
			all.Items[0].LastGood != "2026-01-01T00:00:00Z" {
			t.Errorf("got %+v", all)
		}
		if len(all.Items) != 3 || c.LockedBy != "night-1" || c.LockState != "lost" || c.LastRun.FreezeSeconds != 2 ||
			c.VolSync != "WaitingForTrigger" || c.CopyMethod != "Snapshot" || len(c.Commands) != 1 {
			t.Errorf("got %+v", all)
		}
	}
	wide := of("wide")
	for _, says := range []string{"LAST-RUN-REASON", "run night-1 has locked the claim", "quiesce failed"} {
		if !strings.Contains(wide, says) {
			t.Errorf("it lacks %q: %s", says, wide)
		}
	}
	if strings.Contains(wide, "of the night before") {
		t.Errorf("got %s", wide)
	}
	if strings.Contains(of("json"), "null") && byJSON.Items[0].Commands == nil {
		t.Error("an empty list is null")
	}
}

// Without VolSync the claims are there all the same.
func TestStatusWithoutVolSync(t *testing.T) {
	noEnv(t)
	server, kubeconfig := newManyClaims(t, 1)
	server.noVolSync = true
	code, stdout, stderr := ran(t, "status", "--kubeconfig", kubeconfig)
	if code != 0 || !strings.Contains(stdout, "data-0   Unknown") ||
		!strings.Contains(stderr, "warning: VolSync is not installed: the API server does not know replicationsources") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

func TestStatusOfNothing(t *testing.T) {
	noEnv(t)
	_, kubeconfig := newManyClaims(t, 0)
	for flag, want := range map[string]string{
		"--watch=false": "no claim in namespace app has the annotation " + handshake.UseAnnotation,
		"-A":            "no claim in any namespace has the annotation",
	} {
		code, stdout, stderr := ran(t, "status", "--kubeconfig", kubeconfig, flag)
		if code != 0 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %q", flag, code, stdout, stderr)
		}
	}
}

func TestStatusRefuses(t *testing.T) {
	refuses(t, map[string]refusal{
		"names in all namespaces": {args: []string{"status", "-A", "data"}, says: "claims are named"},
		"names and labels":        {args: []string{"status", "-l", "a=b", "data"}, says: "selector"},
	})
}

// sharedOut is a stdout that is read while it is written.
type sharedOut struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (s *sharedOut) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.b.Write(p)
}

func (s *sharedOut) await(t *testing.T, lines int) []string {
	t.Helper()
	for {
		s.mu.Lock()
		got := strings.Split(strings.TrimSuffix(s.b.String(), "\n"), "\n")
		s.mu.Unlock()
		if len(got) >= lines {
			return got
		}
		select {
		case <-s.more:
		case <-time.After(time.Minute):
			t.Fatalf("got %q", got)
		}
	}
}

// Where there is no terminal a watch adds the lines that have changed, and no others. A signal ends it.
func TestStatusWatchAddsLines(t *testing.T) {
	noEnv(t)
	server, kubeconfig := newManyClaims(t, 4)
	out := &sharedOut{more: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		m := newProgram(out, io.Discard, withSignals())
		ended <- m.app("v1", m.commands()).RunContext(ctx, []string{"copytrigger", "status", "--kubeconfig", kubeconfig,
			"--watch"})
	}()
	if first := out.await(t, 5); len(first) != 5 {
		t.Errorf("got %q", first)
	}
	server.arm()
	all := out.await(t, 6)
	if last := all[5]; len(all) != 6 || !strings.HasPrefix(last, "data-0 ") || !strings.Contains(last, "yes") {
		t.Errorf("got %q", all)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	for _, r := range server.asked() {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("it asks %s", r)
		}
	}
}

// At a terminal the table takes the place of the one before.
func TestStatusRedraws(t *testing.T) {
	var out bytes.Buffer
	m := newProgram(&out, io.Discard, withSignals())
	w := &watching{flags: &statusFlags{}, program: m, table: newStatusTable(&statusFlags{})}
	for _, name := range []string{"data", "wal"} {
		if err := w.keep(step.Overview{Claims: []step.ClaimStatus{{Name: name}},
			NotKnown: []string{"not known"}}); err != nil {
			t.Fatal(err)
		}
	}
	tables := strings.Split(out.String(), clearScreen)
	if len(tables) != 3 || !strings.Contains(tables[1], "data") || strings.Contains(tables[2], "data") ||
		!strings.HasPrefix(tables[2], "not known\nNAME") {
		t.Errorf("got %q", tables)
	}
	m.stdout = failing{errBroken}
	if err := w.keep(step.Overview{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v: nobody reads it", err)
	}
}
