package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockBuild keeps two builds from doing the same work twice. The lock is the process's:
// it goes with it, however it ends.
func lockBuild(ctx context.Context, o Options) (unlock func(), err error) {
	dir := filepath.Join(o.Cache, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	// The cache is in the repository by default, and never to be part of it.
	if err := os.WriteFile(filepath.Join(o.Cache, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	for said := false; ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking the cache: %w", err)
		}
		if !said {
			fmt.Fprintln(o.Progress, "build: waiting for another build to end")
			said = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("locking the cache: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
