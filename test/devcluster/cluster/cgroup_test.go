package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A process that was killed may still be there when its group is removed.
func TestRemoveCgroupWaitsForTheDying(t *testing.T) {
	roots := cgroupRoots()
	if os.Geteuid() != 0 || len(roots) == 0 {
		t.Skip("makes a cgroup; needs root")
	}
	name := cgroupOf(t.TempDir())
	group := filepath.Join(roots[0], name)
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("this machine's cgroups cannot be written to: %v", err)
	}
	t.Cleanup(func() { _ = removeCgroup(name) })
	process := exec.Command("sleep", "infinity")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // version 1 wants these first
		if value, err := os.ReadFile(filepath.Join(roots[0], file)); err == nil {
			if err := os.WriteFile(filepath.Join(group, file), value, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	procs, pid := filepath.Join(group, "cgroup.procs"), []byte(fmt.Sprint(process.Process.Pid))
	if err := os.WriteFile(procs, pid, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tryRemoveCgroup(name); !errors.Is(err, syscall.EBUSY) {
		t.Fatalf("removing a group with a process in it: %v, want busy: this test shows nothing", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = process.Process.Kill() })
	if err := removeCgroup(name); err != nil {
		t.Errorf("removing a group whose process ends: %v", err)
	}
	if _, err := os.Stat(group); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is left: %v", err)
	}
}
