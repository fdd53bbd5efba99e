package cluster

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func newTestSupervisor(t *testing.T) *supervisor {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := newSupervisor(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func shell(t *testing.T, name, script string) spec {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	return spec{name: name, program: sh, args: []string{"-c", script}}
}

func states(t *testing.T, s *supervisor) map[string]string {
	t.Helper()
	all, err := s.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, status := range all {
		found[status.Name] = status.State
	}
	return found
}

func TestUnaskedEndIsTheClustersEnd(t *testing.T) {
	s := newTestSupervisor(t)
	if err := s.add(shell(t, "frail", "echo out of breath; exit 3")); err != nil {
		t.Fatal(err)
	}
	<-s.failed
	got := s.why().Error()
	for _, want := range []string{"frail", "exit status 3", "out of breath"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}

func TestEndingTakesDependentsAlong(t *testing.T) {
	s := newTestSupervisor(t)
	driver, sidecar := shell(t, "driver", "exec sleep 1000"), shell(t, "sidecar", "exec sleep 1000")
	sidecar.needs = "driver"
	for _, spec := range []spec{driver, sidecar, shell(t, "other", "exec sleep 1000")} {
		if err := s.add(spec); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what, want string) {
		t.Helper()
		got := states(t, s)
		if got["driver"] != want || got["sidecar"] != want || got["other"] != Ready {
			t.Errorf("%s: got %v", what, got)
		}
	}
	if err := s.act(t.Context(), "driver", "kill"); err != nil {
		t.Fatal(err)
	}
	check("killed", Ended)
	if err := s.act(t.Context(), "driver", "start"); err != nil {
		t.Fatal(err)
	}
	check("started", Ready)
	if err := s.why(); err != nil {
		t.Errorf("an asked end counts as unasked: %v", err)
	}
}

func TestPausedCanBeKilled(t *testing.T) {
	s := newTestSupervisor(t)
	if err := s.add(shell(t, "x", "exec sleep 1000")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ action, want string }{
		{"pause", Paused}, {"resume", Ready}, {"pause", Paused}, {"kill", Ended}, {"start", Ready},
	} {
		if err := s.act(t.Context(), "x", step.action); err != nil {
			t.Fatal(err)
		}
		if got := states(t, s)["x"]; got != step.want {
			t.Errorf("%s: got %s, want %s", step.action, got, step.want)
		}
	}
}

func TestAwaitEndsWithTheComponent(t *testing.T) {
	s := newTestSupervisor(t)
	never := shell(t, "never", "exit 1")
	never.ready = func(context.Context) error { return errors.New("not yet") }
	if err := s.add(never); err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), "never"); err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("got %v", err)
	}
}

func TestStopTakesTheWholeGroup(t *testing.T) {
	s := newTestSupervisor(t)
	child := filepath.Join(s.dir, "child")
	parent := shell(t, "parent", "sleep 1000 & echo $! > "+child+".new; mv "+child+".new "+child+"; wait")
	parent.ready = func(context.Context) error { _, err := os.Stat(child); return err }
	if err := s.add(parent); err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), "parent"); err != nil {
		t.Fatal(err)
	}
	group := s.running["parent"].cmd.Process.Pid
	if err := s.end(t.Context(), "parent", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitGone(t, group)
}
