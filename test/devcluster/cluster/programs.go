package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// built are the paths of the programs by name.
type built map[string]string

// locate says where each program is, or is to be built.
func locate(o Options) (built, error) {
	version, err := goVersion(o)
	if err != nil {
		return nil, err
	}
	paths := built{}
	for _, p := range programs(o) {
		hash, err := p.hash(filepath.Join(o.Source, "test"), version)
		if err != nil {
			return nil, err
		}
		paths[p.name] = filepath.Join(o.Cache, "bin", p.name+"-"+hash)
	}
	return paths, nil
}

// missing are the programs not built yet, in the order of building.
func (b built) missing(o Options) []program {
	var todo []program
	for _, p := range programs(o) {
		if _, err := os.Stat(b[p.name]); err != nil {
			todo = append(todo, p)
		}
	}
	return todo
}

// check fails if a cluster cannot be started.
func (b built) check(o Options) error {
	var names []string
	for _, p := range b.missing(o) {
		names = append(names, p.name)
	}
	if o.Node {
		for _, a := range b.archives(o) {
			if _, err := os.Stat(a.file); err != nil {
				names = append(names, filepath.Base(a.file))
			}
		}
	}
	if names != nil {
		return fmt.Errorf("starting a cluster: not built: %s (run devcluster build)", strings.Join(names, ", "))
	}
	return nil
}

// goVersion is asked of the go that would build: another may have built us.
func goVersion(o Options) (string, error) {
	cmd := exec.Command("go", "env", "GOVERSION")
	cmd.Dir = filepath.Join(o.Source, "test")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("asking go for its version: %w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("asking go for its version: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
