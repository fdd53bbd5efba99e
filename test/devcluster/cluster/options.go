package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Options say where things are. All may be left empty.
type Options struct {
	// Source is the repository's root; found from the working directory upwards.
	Source string
	// Cache keeps built programs; $COPYTRIGGER_CACHE, else .cache in Source.
	Cache string
	// Dir is the folder of the cluster; "cluster" in Cache.
	Dir string
	// KeepLogs is where the logs go when the cluster goes; nowhere if empty.
	KeepLogs string
	// Versions names the set of versions to take; $VERSIONS, else DefaultVersions.
	Versions string
	// Node is a cluster with a node, where pods run. It needs root, and Debian's containerd,
	// runc and CNI plugins; all of it is in namespaces of its own.
	Node bool
	// Tekton is a cluster with Tekton Pipelines, and so with a node.
	Tekton bool
	// Argo is a cluster with Argo Workflows, and so with a node.
	Argo bool
	// Events is a cluster with Argo Events, and so with Argo Workflows. Its node has the image
	// of an event bus, NATSImage.
	Events bool
	// Databases is a cluster whose node has DatabasesImage, and so with a node.
	Databases bool
	// Progress is told what happens, a line at a time; nobody if nil.
	Progress io.Writer

	versions Versions // those of the set
	assets   string   // folder of an etcd and an API server that are there; empty if they are built
}

// filled is o with what was left empty found out.
func (o Options) filled() (Options, error) {
	var err error
	o.Argo = o.Argo || o.Events
	o.Node = o.Node || o.Tekton || o.Argo || o.Databases
	if o.Source == "" {
		if o.Source, err = FindSource(); err != nil {
			return o, err
		}
	}
	if o.Cache == "" {
		o.Cache = os.Getenv("COPYTRIGGER_CACHE")
	}
	if o.Cache == "" {
		o.Cache = filepath.Join(o.Source, ".cache")
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(o.Cache, "cluster")
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	for _, path := range []*string{&o.Source, &o.Cache, &o.Dir} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, fmt.Errorf("finding %s: %w", *path, err)
		}
	}
	if o.Versions == "" {
		o.Versions = cmp.Or(os.Getenv("VERSIONS"), DefaultVersions)
	}
	if o.versions, err = ReadVersions(o.Source, o.Versions); err != nil {
		return o, err
	}
	o.assets = assets(o)
	return o, nil
}

// FindSource is the repository's root, looked for from the working directory upwards.
func FindSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "test", "devcluster", "upstream", "versions")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New(
				"finding the repository: neither this directory nor one above it has test/devcluster/upstream/versions",
			)
		}
		dir = parent
	}
}
