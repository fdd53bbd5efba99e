package recipes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// frozen is a database on a filesystem of its own, which is frozen under it.
type frozen struct{ *sqlite }

// blocked looks for a client that the kernel keeps waiting.
func (f frozen) blocked(_ *bench) bool {
	for _, pid := range children(os.Getpid()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if stateOf(pid) == "D" && strings.Contains(string(line), f.file) {
			return true
		}
	}
	return false
}

func (f frozen) free(b *bench, _ *harness.Process) {
	b.Helper()
	b.root("fsfreeze", "--unfreeze", b.volume)
}

func (b *bench) root(args ...string) {
	b.Helper()
	said, err := exec.CommandContext(b.Ctx, find(args[0]), args[1:]...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v: %s", strings.Join(args, " "), err, said)
	}
}

// startFrozen mounts a filesystem over the claim's volume.
func startFrozen(b *bench) subject {
	b.Helper()
	b.mount(b.volume)
	b.own(b.volume)
	return frozen{startSQLite(b).(*sqlite)}
}

// mount mounts a filesystem. Without root, or loop devices, it skips the test.
func (b *bench) mount(at string) {
	b.Helper()
	image := filepath.Join(b.dir, "image")
	b.Must(os.WriteFile(image, nil, 0o600))
	b.Must(os.Truncate(image, 32<<20))
	b.root("mkfs.ext4", "-q", "-F", image)
	if said, err := exec.CommandContext(b.Ctx, "mount", "-o", "loop", image, at).CombinedOutput(); err != nil {
		b.test.Skipf("SKIPPED: a filesystem cannot be mounted here, so fsfreeze is not tested: %v: %s", err, said)
	}
	b.Cleanup(func() { // what comes after it has ended by now, and so does not write any more
		_ = exec.Command(find("fsfreeze"), "--unfreeze", at).Run()
		b.unmount(at)
	})
}

func (b *bench) unmount(at string) {
	b.Helper()
	if said, err := exec.Command("umount", at).CombinedOutput(); err != nil {
		b.Fatalf("umount: %v: %s", err, said)
	}
}

// A folder of a filesystem, as some drivers give it: to freeze it would be to freeze all of
// that, which may be the node's.
func TestFreezeOfAFolder(t *testing.T) {
	b := newBench(t, "fsfreeze", "mkfs.ext4")
	whole := filepath.Join(b.dir, "whole")
	b.Must(os.MkdirAll(whole, 0o755))
	b.mount(whole)
	b.Must(os.MkdirAll(filepath.Join(whole, "folder"), 0o755))
	b.root("mount", "--bind", filepath.Join(whole, "folder"), b.volume)
	b.Cleanup(func() { b.unmount(b.volume) })
	b.ReplicateAndWait(harness.Source{Name: backup})
	b.recipe("fsfreeze", nil).start().End().Ends(harness.Refused).Says("is not a filesystem of its own")
	b.Copied(0)
}

// sidecars starts the containers that run beside the one of the recipe.
func (r *recipe) sidecars(b *bench) (all []*process) {
	b.Helper()
	for _, c := range r.pod().InitContainers {
		if c.RestartPolicy == nil {
			continue
		}
		args, env := r.command(&c)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = env
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		all = append(all, b.background(filepath.Base(r.volumes["state"]), syscall.SIGTERM, cmd))
	}
	return all
}
