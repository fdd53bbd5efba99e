package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image is what an image of the node is made of.
type image struct {
	name   string
	user   string
	run    string            // its entrypoint
	files  map[string]string // where each file of this machine goes
	debian bool              // upon Debian, and not upon nothing
}

func imageName(name string) string { return "copytrigger.test/" + name + ":1" }

// debian makes a root file system of Debian packages. PostgreSQL's user has a number
// that is known beforehand, for pods name their user by number.
func debian(ctx context.Context, packages, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	cmd := exec.CommandContext(
		ctx,
		"mmdebstrap",
		"--variant=essential",
		"--include="+packages,
		`--aptopt=APT::Install-Recommends "false"`,
		`--aptopt=Acquire::Retries "3"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		// A third of it all, and nobody compiles queries here.
		"--dpkgopt=path-exclude=/usr/lib/*/libLLVM*",
		"--dpkgopt=path-exclude=/usr/lib/postgresql/*/lib/*jit*",
		fmt.Sprintf(
			`--essential-hook=echo postgres:x:%[1]d:%[1]d::/var/lib/postgresql:/bin/bash >>"$1/etc/passwd" && `+
				`echo postgres:x:%[1]d: >>"$1/etc/group"`,
			PostgresUser,
		),
		`--essential-hook=mkdir -p "$1/etc/postgresql-common" && `+
			`echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"`,
		debianSuite,
		to+".next.tar",
	)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a Debian image (needs mmdebstrap): %w\n%s", err, said)
	}
	if err := os.Rename(to+".next.tar", to); err != nil {
		return fmt.Errorf("making a Debian image: %w", err)
	}
	return nil
}

func (i image) make(debian string) (v1.Image, error) {
	layers := []v1.Layer{}
	if i.debian {
		layer, err := tarball.LayerFromFile(debian)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer)
	}
	text, err := i.tar()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
	)
	if err != nil {
		return nil, err
	}
	made, err := mutate.AppendLayers(empty.Image, append(layers, layer)...)
	if err != nil {
		return nil, err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		User: i.user, Entrypoint: []string{i.run},
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	return mutate.ConfigFile(made, config)
}

// tar is the layer with the image's own files and the directories that they are in.
func (i image) tar() ([]byte, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	made := map[string]bool{}
	if !i.debian {
		made["tmp"] = true
		if err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777, ModTime: time.Unix(0, 0),
		}); err != nil {
			return nil, err
		}
	}
	for from, to := range i.files {
		to = strings.TrimPrefix(to, "/")
		var parents []string
		for dir := path.Dir(to); dir != "."; dir = path.Dir(dir) {
			parents = append(parents, dir)
		}
		for _, dir := range slices.Backward(parents) {
			if made[dir] || i.debian && strings.HasPrefix(dir, "usr") {
				continue
			}
			made[dir] = true
			if err := w.WriteHeader(&tar.Header{
				Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0),
			}); err != nil {
				return nil, err
			}
		}
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: to, Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(0, 0),
		}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), w.Close()
}
