package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyTree copies a directory that may be in use: names in lexical order, one file after
// the other, pause between them. A file that goes away meanwhile is left out, as a disk
// would not care. Modes, owners and times are kept, extended attributes are not; hard
// links become files of their own, and sockets and devices are left out.
func copyTree(ctx context.Context, from, to string, pause func() error) error {
	if _, err := os.Lstat(from); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	t := tree{ctx: ctx, pause: pause, chown: os.Geteuid() == 0}
	if err := t.copy(from, to); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}

type tree struct {
	ctx   context.Context
	pause func() error
	chown bool // only root may
	files int
}

func (t *tree) copy(from, to string) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if err == nil {
		switch kind := info.Mode().Type(); kind {
		case fs.ModeDir:
			err = t.dir(from, to)
		case 0:
			err = t.file(from, to, info.Size())
		case fs.ModeSymlink:
			err = link(from, to)
		default:
			return nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(to)
	}
	if err != nil {
		return err
	}
	return t.attributes(to, info)
}

func (t *tree) dir(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, entry := range entries {
		// Before anything is asked about the file: what it is now counts.
		if entry.Type().IsRegular() {
			if t.files++; t.files > 1 {
				if err := t.pause(); err != nil {
					return err
				}
			}
		}
		if err := t.copy(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// file copies no more than was there at the beginning: a log may grow faster than it
// can be copied.
func (t *tree) file(from, to string, size int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(out, in, size); err != nil && !errors.Is(err, io.EOF) {
		out.Close()
		return err
	}
	return out.Close()
}

func link(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	return os.Symlink(target, to)
}

// attributes go last, and in this order: writing changes times, changing the owner
// takes setuid away.
func (t *tree) attributes(to string, info fs.FileInfo) error {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && t.chown {
		if err := os.Lchown(to, int(s.Uid), int(s.Gid)); err != nil {
			return err
		}
	}
	if info.Mode().Type() != fs.ModeSymlink {
		if err := os.Chmod(to, info.Mode()); err != nil {
			return err
		}
	}
	stamp := unix.NsecToTimespec(info.ModTime().UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
}
