// Package file writes files that appear whole or not at all, and reads small ones.
package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Pending is a file that is being written, under a name of its own in the directory of the
// one that it is to become.
//
// It is not synced to the disk: on a busy one that takes seconds, in which an application may
// be frozen, and none of these files has to outlive the machine.
type Pending struct {
	*os.File
	name string
}

// Create begins the file name. Everybody may read it if mode says so, whatever the umask: the
// steps of a run are often different users.
func Create(name string, mode fs.FileMode) (*Pending, error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".copytrigger-*")
	if err != nil {
		return nil, err
	}
	p := &Pending{f, name}
	if err := f.Chmod(mode); err != nil {
		p.Discard()
		return nil, err
	}
	return p, nil
}

// Commit gives the file its name, in place of what had it. After an error there is no file.
func (p *Pending) Commit() error {
	err := p.Close()
	if err == nil {
		err = os.Rename(p.Name(), p.name)
	}
	if err != nil {
		p.Discard()
	}
	return err
}

// Discard takes the file away.
func (p *Pending) Discard() {
	_ = p.Close()
	_ = os.Remove(p.Name())
}

// Write writes a whole file.
func Write(name string, b []byte, mode fs.FileMode) error {
	p, err := Create(name, mode)
	if err != nil {
		return err
	}
	if _, err := p.File.Write(b); err != nil {
		p.Discard()
		return err
	}
	return p.Commit()
}

// Read returns at most limit bytes of a regular file.
func Read(name string, limit int64) (string, fs.FileInfo, error) {
	// First, because to open what is no regular file (a pipe) may take for ever.
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, errors.New(name + " is not a file")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return string(b), info, err
}
