package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// findCopytrigger is the binary to show: the one asked for, the repository's, or one
// built in dir.
func findCopytrigger(ctx context.Context, path, dir string) (string, error) {
	if path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("looking for copytrigger: %w", err)
		}
		return filepath.Abs(path)
	}
	root, err := repository()
	if err != nil {
		return "", err
	}
	built := filepath.Join(root, "bin", "copytrigger")
	if _, err := os.Stat(built); err == nil {
		return built, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	to := filepath.Join(dir, "copytrigger")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "./cmd/copytrigger")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building copytrigger: %w: %s", err, lastLines(string(out), 3))
	}
	return to, nil
}

// repository is the root that the working directory is below.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "copytrigger", "main.go")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding the repository: neither this directory nor one above it has cmd/copytrigger")
		}
		dir = parent
	}
}
