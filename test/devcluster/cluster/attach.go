package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrDown says that no cluster is running.
var ErrDown = errors.New("no cluster is running")

// Attach finds the cluster that another process runs in the folder.
func Attach(ctx context.Context, dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", dir, err)
	}
	c := &Cluster{dir: dir, hand: remote{dir}, network: &network{}}
	if err := c.enter(ctx); err != nil {
		if absent(err) || cutOff(err) {
			return nil, fmt.Errorf("looking in %s: %w", dir, ErrDown)
		}
		return nil, err
	}
	return c, c.connect()
}

// Down stops the cluster in the folder and returns when it is gone. ErrDown says there
// was none; what a dead one left is removed.
func Down(ctx context.Context, options Options) error {
	o, err := options.filled()
	if err != nil {
		return err
	}
	_, err = remote{o.Dir}.ask(ctx, request{Action: "shutdown"})
	if err != nil && !absent(err) && !cutOff(err) {
		return err
	}
	if err := clearDir(ctx, o.Dir); err != nil {
		return err
	}
	if absent(err) {
		return ErrDown
	}
	return nil
}

// clearDir waits for the folder to go, or removes it if nobody owns it.
func clearDir(ctx context.Context, dir string) error {
	for {
		if _, err := os.Stat(filepath.Join(dir, lockFile)); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		lock, err := takeLock(dir)
		if err == nil {
			return errors.Join(removeCgroup(cgroupOf(dir)), (&state{dir: dir, lock: lock}).remove())
		}
		if !errors.Is(err, errOwned) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the cluster to be gone: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// absent tells that nobody listens at the control socket.
func absent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// cutOff tells that the other side ended while it was asked.
func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// DefaultDir is the folder a cluster has if none is asked for.
func DefaultDir(options Options) (string, error) {
	o, err := options.filled()
	return o.Dir, err
}
