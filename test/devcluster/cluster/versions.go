package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DefaultVersions is the set that a cluster is made of if none is asked for.
const DefaultVersions = "current"

// Versions are what one set of test/devcluster/upstream/versions pins: the version of each
// project by its name there, without a "v".
type Versions struct {
	Set  string
	pins map[string]string
}

// Of is the version of a project.
func (v Versions) Of(project string) string { return v.pins[project] }

// projects are those that a cluster is made of, and a set must pin.
func projects() []string {
	return []string{
		"kubernetes", "volsync", "snapshotter", "tekton", "argo-workflows", "argo-events", "nats-server", "restic",
	}
}

// ReadVersions reads a set from the table in the repository whose root is source.
func ReadVersions(source, set string) (Versions, error) {
	file := filepath.Join(source, "test", "devcluster", "upstream", "versions")
	text, err := os.ReadFile(file)
	if err != nil {
		return Versions{}, fmt.Errorf("reading the versions: %w", err)
	}
	v, err := parseVersions(text, set)
	if err != nil {
		return Versions{}, fmt.Errorf("reading the versions in %s: %w", file, err)
	}
	return v, nil
}

func parseVersions(text []byte, set string) (Versions, error) {
	v := Versions{Set: set, pins: map[string]string{}}
	column := -1
	var sets []string
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
		case fields[0] == "set":
			sets = fields[1:]
			column = slices.Index(sets, set)
		case len(fields) != len(sets)+1:
			return Versions{}, fmt.Errorf("%q is not a project and a version for each set", strings.TrimSpace(string(line)))
		case column >= 0:
			v.pins[fields[0]] = fields[column+1]
		}
	}
	if sets == nil {
		return Versions{}, errors.New("no line begins with \"set\"")
	}
	if column < 0 {
		return Versions{}, fmt.Errorf("no set %q: there are %s (VERSIONS chooses one)", set, strings.Join(sets, " and "))
	}
	for _, project := range projects() {
		if v.pins[project] == "" {
			return Versions{}, fmt.Errorf("set %s has no version of %s", set, project)
		}
	}
	return v, nil
}

// modfile is the file with a project's requirements, below test/. A set may have those of the
// snapshot controllers with Kubernetes', so that both are compiled with one client-go.
func (v Versions) modfile(source, project string) string {
	file := filepath.Join("devcluster", "upstream", v.Set, project+".mod")
	if _, err := os.Stat(filepath.Join(source, "test", file)); project == "snapshotter" && errors.Is(err, os.ErrNotExist) {
		return v.modfile(source, "kubernetes")
	}
	return file
}

// argoModule is Argo Workflows' module, whose path has its major version in it.
func (v Versions) argoModule() string {
	major, _, _ := strings.Cut(v.Of("argo-workflows"), ".")
	return "github.com/argoproj/argo-workflows/v" + major
}
