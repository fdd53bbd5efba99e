package cluster

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// TestNothingOutlivesTheOwner kills the process that owns a cluster as nothing else can
// be killed, and looks for what it left.
func TestNothingOutlivesTheOwner(t *testing.T) {
	requireCluster(t)
	dir := t.TempDir()
	owner, c := ownedBy(t, "TestOwner", "COPYTRIGGER_OWNED_DIR", dir)
	var groups []int
	for _, s := range allReady(t, c) {
		groups = append(groups, s.Pid)
	}
	// From outside, as tests of a cluster that runs already do it.
	if err := c.Component("volsync").Restart(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Component("volsync").Pause(t.Context()); err != nil {
		t.Error(err)
	}
	components, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range components {
		groups = append(groups, s.Pid)
	}
	if len(living(t, groups)) == 0 {
		t.Fatal("no components are seen running: this test sees nothing")
	}

	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := owner.Wait(); err == nil {
		t.Error("the owner ended by itself")
	}
	waitGone(t, groups...)
	if _, err := Attach(t.Context(), dir); !errors.Is(err, ErrDown) {
		t.Errorf("attaching: got %v, want %v", err, ErrDown)
	}
	if err := Down(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrDown) {
		t.Errorf("down: got %v, want %v", err, ErrDown)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// ownedBy starts a process of this binary that owns a cluster in the folder, which it is
// told by the variable, and attaches to it.
func ownedBy(t *testing.T, test, variable, dir string) (*exec.Cmd, *Cluster) {
	t.Helper()
	owner := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	owner.Env = append(os.Environ(), variable+"="+dir)
	owner.Stderr = os.Stderr
	said, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Process.Kill() })
	if !bufio.NewScanner(said).Scan() {
		t.Fatal("the owner ended")
	}
	c, err := Attach(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return owner, c
}

// TestOwner is not a test but the process that is killed.
func TestOwner(t *testing.T) {
	dir := os.Getenv("COPYTRIGGER_OWNED_DIR")
	if dir == "" {
		t.Skip("runs as a part of TestNothingOutlivesTheOwner")
	}
	c, err := Up(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	os.Stdout.WriteString("up\n")
	c.Wait(t.Context())
}

// allReady waits until every component answers in time, as they may not on a machine that
// is busy.
func allReady(t *testing.T, c *Cluster) []Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		components, err := c.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		late := slices.IndexFunc(components, func(s Status) bool { return s.State != Ready || s.Pid == 0 })
		if late < 0 {
			return components
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s is %s", components[late].Name, components[late].State)
		}
	}
}
