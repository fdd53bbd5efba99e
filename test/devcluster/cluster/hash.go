package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// hash is over everything that decides what p's binary is: the same hash, the same
// binary. Upstream sources are in go.sum; ours are read.
func (p program) hash(testDir, goVersion string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, goVersion, runtime.GOOS, runtime.GOARCH, p.buildArgs("", p.modfile), p.manifests())
	mod, sum := p.requirements(testDir)
	files := []string{mod, sum}
	for _, dir := range p.local {
		sources, err := filepath.Glob(filepath.Join(testDir, dir, "*.go"))
		if err != nil {
			return "", fmt.Errorf("looking for the sources of %s: %w", p.name, err)
		}
		for _, source := range sources {
			if !strings.HasSuffix(source, "_test.go") {
				files = append(files, source)
			}
		}
	}
	for _, file := range files {
		if err := hashFile(h, file); err != nil {
			return "", fmt.Errorf("hashing the sources of %s: %w", p.name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

func hashFile(h hash.Hash, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	fmt.Fprintln(h, filepath.Base(file), len(text))
	h.Write(text)
	return nil
}
