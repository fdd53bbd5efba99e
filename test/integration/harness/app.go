package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

var appFiles = []string{"a.log", "tables/b.db", "tables/c.db", "z.log"}

// App is an application that writes to the claim's volume all the time: one number into
// several files, one after the other, so that a copy of a moment in between is torn.
type App struct {
	site *Site
	dir  string

	mu    sync.Mutex // held by a write, and by whoever has frozen it
	count int
}

// StartApp starts an application.
func (s *Site) StartApp() *App {
	s.Helper()
	dir := s.VolumeDir()
	s.Must(os.MkdirAll(filepath.Join(dir, "tables"), 0o755))
	a := &App{site: s, dir: dir}
	s.Must(a.write())
	s.keepDoing(func() {
		if a.mu.TryLock() { // or it is quiesced
			_ = a.write() // its volume goes at the end
			a.mu.Unlock()
		}
	})
	return a
}

// keepDoing does something again and again until the test ends.
func (s *Site) keepDoing(something func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
				something()
			}
		}
	}()
	s.Cleanup(func() { close(stop); <-stopped })
}

// write writes the next number. The caller holds mu.
func (a *App) write() error {
	a.count++
	for _, name := range appFiles {
		if err := overwrite(filepath.Join(a.dir, name), a.count); err != nil {
			return err
		}
	}
	return nil
}

// overwrite writes a number over the one that a file has. It does not truncate: that waits
// until the disk has the last one, and an application that stands still tears nothing.
func overwrite(path string, number int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%010d\n", number)
	return errors.Join(err, file.Close())
}

// oneNumber says whether all of the application's files in a directory have the same number,
// and what they have.
func oneNumber(dir string) (same bool, all []string, err error) {
	for _, name := range appFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return false, nil, err
		}
		all = append(all, string(text))
	}
	return all[0] != "" && len(slices.Compact(slices.Clone(all))) == 1, all, nil
}

// Quiesce stops the writing, and returns what is in the volume.
func (a *App) Quiesce() string {
	a.site.Helper()
	a.mu.Lock()
	return a.site.Tree(a.dir)
}

// Unquiesce lets it write again, and returns when it has.
func (a *App) Unquiesce() {
	a.site.Helper()
	a.site.Must(a.write())
	a.mu.Unlock()
}

// VolumeDir is the directory that is the claim's volume.
func (s *Site) VolumeDir() string { s.Helper(); return s.VolumeDirOf(s.claim) }

// VolumeDirOf is that of another claim.
func (s *Site) VolumeDirOf(claim string) string {
	s.Helper()
	s.Need(VolumeFiles)
	dir, err := shared.cluster.VolumeDir(s.Ctx, s.Namespace, claim)
	s.Must(err)
	return dir
}

// Tree is everything in a directory: names, modes, times and contents.
func (s *Site) Tree(dir string) string {
	s.Helper()
	var all string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var text []byte
		if info.Mode().IsRegular() {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		name, err := filepath.Rel(dir, path)
		all += fmt.Sprintf("%s %s %s %q\n", info.Mode(), info.ModTime().UTC().Format(time.RFC3339Nano), name, text)
		return err
	})
	s.Must(err)
	return all
}

// CopyTree is what is in VolSync's copy of the claim.
func (s *Site) CopyTree(method string) string {
	s.Helper()
	s.Need(VolumeFiles)
	var dir string
	var err error
	if method == "Clone" {
		dir, err = shared.cluster.VolumeDir(s.Ctx, s.Namespace, CopyName)
	} else {
		dir, err = shared.cluster.SnapshotDir(s.Ctx, s.Namespace, CopyName)
	}
	s.Must(err)
	return s.Tree(dir)
}

// CutTime is when the storage says that it cut the snapshot.
func (s *Site) CutTime() string {
	s.Helper()
	o := s.until(snapshots, CopyName, "cut", func(o object) bool { return o.text("status", "creationTime") != "" })
	return o.text("status", "creationTime")
}
