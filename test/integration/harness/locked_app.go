package harness

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// LockedApp is an application that others quiesce: it writes like [App], each time only if
// it gets a lock (flock(2)), and only as long as a file is not there. Who holds the lock
// quiesces it like a session does, and lets it go by dying; who makes the file quiesces it
// until somebody takes the file away.
type LockedApp struct {
	site   *Site
	lock   string
	file   string
	writes atomic.Int64
}

// StartLockedApp starts it. Where nobody reaches the volume it writes beside it: whether it
// stands still is to be seen there too, what is in the copy is not.
func (s *Site) StartLockedApp() *LockedApp {
	s.Helper()
	beside := s.TempDir()
	a := &LockedApp{site: s, lock: filepath.Join(beside, "lock"), file: filepath.Join(beside, "quiesced")}
	dir := filepath.Join(beside, "files")
	if Ours() {
		dir = s.VolumeDir()
	}
	s.Must(os.MkdirAll(filepath.Join(dir, "tables"), 0o755))
	lock, err := os.OpenFile(a.lock, os.O_CREATE|os.O_RDWR, 0o600)
	s.Must(err)
	files := &App{site: s, dir: dir}
	s.Must(files.write())
	s.Cleanup(func() { lock.Close() })
	s.keepDoing(func() { a.try(lock, files) })
	a.AwaitWrites()
	return a
}

func (a *LockedApp) try(lock *os.File, files *App) {
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return
	}
	defer func() { _ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) }()
	if _, err := os.Stat(a.file); err == nil {
		return
	}
	if files.write() == nil { // its volume goes at the end
		a.writes.Add(1)
	}
}

// Quiesce and Unquiesce are shell commands, for --quiesce and --unquiesce.
func (a *LockedApp) Quiesce() string   { return "flock " + a.lock + " touch " + a.file }
func (a *LockedApp) Unquiesce() string { return "rm -f " + a.file }

// Hold is a shell command for --hold. It ends with 0 when its stdin does, and with 9 on
// SIGUSR1, as one that has lost its session.
func (a *LockedApp) Hold() string {
	return "exec 9<>" + a.lock + "; flock 9; trap 'exit 9' USR1; echo QUIESCED; cat >/dev/null 9>&-"
}

// FrozenByFile says whether it is quiesced until somebody lets it go.
func (a *LockedApp) FrozenByFile() bool {
	_, err := os.Stat(a.file)
	return err == nil
}

// Writes is how often it has written.
func (a *LockedApp) Writes() int64 { return a.writes.Load() }

// AwaitWrites waits until it has written: it runs.
func (a *LockedApp) AwaitWrites() {
	a.site.Helper()
	before := a.writes.Load()
	a.site.Eventually("the application to write", func() bool { return a.writes.Load() != before })
}
