package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// workspace is the demo's folder, and the user whom the application runs as.
type workspace struct {
	dir        string
	user       string
	credential *syscall.Credential // nil if that is ourselves
}

// newWorkspace makes the folder where the application's user can get to it.
func newWorkspace() (*workspace, error) {
	w := &workspace{}
	if err := w.pickUser(); err != nil {
		return nil, err
	}
	var errs []error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		// The names of unix sockets in it have to fit into 107 bytes.
		if len(parent) > 40 {
			errs = append(errs, fmt.Errorf("%s: the path is too long", parent))
			continue
		}
		if w.credential != nil && !open(parent) {
			errs = append(errs, fmt.Errorf("%s: not open to user %s", parent, w.user))
			continue
		}
		dir, err := os.MkdirTemp(parent, "copytrigger-demo-")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		w.dir = dir
		if err := os.Chmod(dir, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("making %s: %w", dir, err), w.remove())
		}
		return w, nil
	}
	return nil, fmt.Errorf("making a folder for the demo: %w", errors.Join(errs...))
}

// pickUser finds somebody to run the application as: databases refuse to be root.
func (w *workspace) pickUser() error {
	if os.Geteuid() != 0 {
		w.user = "uid " + strconv.Itoa(os.Geteuid())
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return fmt.Errorf("reading user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return fmt.Errorf("reading user %s: %w", name, err)
		}
		w.user, w.credential = name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return nil
	}
	return errors.New("looking for a user to run the application as: neither postgres nor nobody")
}

// open tells whether everybody may pass through dir and all above it.
func open(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// private makes a folder in the workspace that is the application's user's alone.
func (w *workspace) private(name string) (string, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	if w.credential != nil {
		if err := os.Chown(dir, int(w.credential.Uid), int(w.credential.Gid)); err != nil {
			return "", fmt.Errorf("making %s: %w", dir, err)
		}
	}
	return dir, nil
}

func (w *workspace) remove() error {
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("removing %s: %w", w.dir, err)
	}
	return nil
}
