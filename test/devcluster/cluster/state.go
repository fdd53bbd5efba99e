package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile marks a folder as a cluster's, and whoever holds its lock as the owner. The
// kernel lets go of it when the owner ends, however that is.
const lockFile = "copytrigger-cluster.lock"

// errOwned says that the cluster of a folder lives.
var errOwned = errors.New("a cluster is running there")

// state is the folder of a cluster, owned by this process.
type state struct {
	dir  string
	lock *os.File
}

// claim takes a folder for a new cluster: a new or empty one, or what a cluster that
// died left behind.
func claim(dir string) (*state, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", dir, err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	s := &state{dir: dir, lock: lock}
	if err := s.empty(); err != nil {
		lock.Close()
		return nil, err
	}
	for _, name := range []string{"log", "csi"} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			lock.Close()
			return nil, fmt.Errorf("making %s: %w", dir, err)
		}
	}
	return s, nil
}

// checkDir refuses what would go wrong later, or do harm: the folder is removed in the
// end, so it must not be somebody's.
func checkDir(dir string) error {
	// A unix socket's path has 108 bytes at most.
	if len(dir) > 90 {
		return fmt.Errorf("using %s for a cluster: longer than 90 bytes, its sockets would not work", dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("using %s for a cluster: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil && len(entries) > 0 {
		return fmt.Errorf("using %s for a cluster: it has other things in it", dir)
	}
	return nil
}

func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("using %s: %w", dir, errOwned)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	// An owner removes the file at its end, perhaps just now: a lock on a file that is
	// not there any more keeps nobody out.
	ours, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(path); err == nil && !os.SameFile(ours, there) {
			err = errOwned
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}

func (s *state) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// empty removes everything but the lock.
func (s *state) empty() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("clearing %s: %w", s.dir, err)
	}
	for _, entry := range entries {
		if entry.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(s.path(entry.Name())); err != nil {
			return fmt.Errorf("clearing %s: %w", s.dir, err)
		}
	}
	return nil
}

// remove takes the folder away; the lock goes last, for it says whose the rest is.
func (s *state) remove() error {
	defer s.lock.Close()
	if err := s.empty(); err != nil {
		return err
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing %s: %w", s.dir, err)
	}
	return nil
}
