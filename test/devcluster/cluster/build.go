package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Build makes the programs that are not in the cache yet, one after the other: each
// link alone takes a gigabyte. It needs go, and the network or a warm module cache.
func Build(ctx context.Context, options Options) error {
	o, err := options.filled()
	if err != nil {
		return err
	}
	paths, err := locate(o)
	if err != nil {
		return err
	}
	unlock, err := lockBuild(ctx, o)
	if err != nil {
		return err
	}
	defer unlock()
	// Looked for under the lock: somebody else may just have built them.
	todo := paths.missing(o)
	if len(todo) == 0 {
		fmt.Fprintf(o.Progress, "build: all %d programs are up to date\n", len(paths))
	}
	begun := time.Now()
	for i, p := range todo {
		what := fmt.Sprintf("build %d of %d: %s", i+1, len(todo), p.name)
		if err := buildOne(ctx, o, p, paths[p.name], what); err != nil {
			return err
		}
		// The hash has twelve digits: a wildcard would take other programs' names.
		if err := prune(filepath.Join(filepath.Dir(paths[p.name]), p.name+"-????????????")); err != nil {
			return err
		}
	}
	if o.Node {
		if err := paths.buildImages(ctx, o); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Progress, "build: done in %s\n", round(time.Since(begun)))
	return nil
}

func buildOne(ctx context.Context, o Options, p program, file, what string) error {
	ticker := startTicker(o.Progress, what)
	defer ticker.stop()
	if err := copyManifests(ctx, o, p, file); err != nil {
		return err
	}
	next := file + ".next"
	modfile := ""
	if p.modfile != "" {
		modfile = filepath.Join(o.Source, "test", p.modfile)
	}
	if p.prepare != nil {
		var err error
		if modfile, err = p.prepare(ctx, o, p); err != nil {
			return fmt.Errorf("building %s: %w", p.name, err)
		}
	}
	cmd := exec.CommandContext(ctx, "go", p.buildArgs(next, modfile)...)
	cmd.Dir = filepath.Join(o.Source, "test", p.module)
	// No workspace may choose other versions; no C compiler is needed.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", p.name, err, said.String())
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("building %s: %w", p.name, err)
	}
	ticker.done()
	return nil
}

// mostBuilds are kept of a program or an archive: those of two sets of versions, before a change
// and after it.
const mostBuilds = 4

// prune removes the oldest of the files that match a pattern, with their manifests, until there
// are few enough: a developer may change branches and sets without the cache growing for ever.
func prune(pattern string) error {
	old, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("looking for old builds: %w", err)
	}
	for len(old) > mostBuilds {
		oldest := 0
		for i := range old {
			if modified(old[i]).Before(modified(old[oldest])) {
				oldest = i
			}
		}
		for _, path := range []string{old[oldest], manifestsOf(old[oldest])} {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("removing an old build: %w", err)
			}
		}
		old = append(old[:oldest], old[oldest+1:]...)
	}
	return nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
