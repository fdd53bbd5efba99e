package cluster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// newCgroup makes the group that all pods of a cluster are in, in every hierarchy; the
// kubelet wants it to be there. Its name is the cluster's own, by its folder: a kubelet
// ends what it finds in its group and does not know. What a cluster left there that was
// killed is removed.
func newCgroup(dir string) (string, error) {
	name := cgroupOf(dir)
	if err := removeCgroup(name); err != nil {
		return "", fmt.Errorf("clearing the cgroup of an earlier cluster: %w", err)
	}
	for _, root := range cgroupRoots() {
		handDown(root)
		group := filepath.Join(root, name)
		if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", fmt.Errorf("making a cgroup for the node: %w", err)
		}
		// Version 1 wants these before any process is in it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(root, file)); err == nil {
				if err := os.WriteFile(filepath.Join(group, file), value, 0o644); err != nil {
					return "", fmt.Errorf("making a cgroup for the node: %w", err)
				}
			}
		}
	}
	return name, nil
}

// handDown lets the groups of a hierarchy of version 2 have all of its controllers: the
// kubelet wants them in its own, and names those that are missing.
func handDown(root string) {
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return // version 1
	}
	for _, controller := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
}

func cgroupOf(dir string) string {
	return fmt.Sprintf("/copytrigger-%x", sha256.Sum256([]byte(dir)))[:25]
}

// cgroupRoots are the hierarchies: one with version 2, one a controller with version 1.
func cgroupRoots() []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{root}
	}
	procs, err := filepath.Glob(filepath.Join(root, "*", "cgroup.procs"))
	if err != nil {
		return nil
	}
	var roots []string
	for _, file := range procs {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil && dir == filepath.Dir(file) {
			roots = append(roots, dir)
		}
	}
	return roots
}

// dying is how long processes that were killed may take to be gone: a busy machine takes its
// time, and their groups are busy as long.
const dying = time.Minute

// removeCgroup removes the groups, if there are any. All processes in them have ended, or are
// about to.
func removeCgroup(name string) error {
	for end := time.Now().Add(dying); ; {
		err := tryRemoveCgroup(name)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tryRemoveCgroup removes the groups, the innermost first.
func tryRemoveCgroup(name string) error {
	var failed error
	for _, root := range cgroupRoots() {
		var groups []string
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		failed = errors.Join(failed, err)
		for i := len(groups) - 1; i >= 0; i-- {
			if err := os.Remove(groups[i]); err != nil && !errors.Is(err, os.ErrNotExist) {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}
