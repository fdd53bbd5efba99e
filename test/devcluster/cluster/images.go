package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	ref "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// DebianImage is an image with a shell, PostgreSQL and kubectl, for the
// applications and users' steps of tests. PostgresUser is the user in it that PostgreSQL
// runs as.
const (
	DebianImage  = "copytrigger.test/debian:1"
	PostgresUser = 999
)

// NATSImage is an image of a NATS server, for the event bus of Argo Events.
const NATSImage = "copytrigger.test/nats:1"

// MoverImage is that of VolSync's restic mover, with restic.
const MoverImage = "copytrigger.test/volsync-mover:1"

// DatabasesImage is an image with MariaDB, Redis and SQLite, and what makes a file system, for
// applications that are quiesced in their own pods.
const DatabasesImage = "copytrigger.test/databases:1"

const (
	debianSuite      = "bookworm"
	debianPackages   = "ca-certificates,coreutils,postgresql,procps"
	databasePackages = "coreutils,e2fsprogs,mariadb-server,mount,procps,redis-server,sqlite3"
)

// archive is a file with images, kept under a hash of what they are made of.
type archive struct {
	file     string
	packages string // of those upon Debian
	images   []image
}

// archives are what the node of a cluster is given. The images' names are in no registry.
func (b built) archives(o Options) []archive {
	volsync := b["volsync-manager"]
	all := []archive{b.archive(o, "node", []image{
		{name: "pause", run: "/nodeinit", files: map[string]string{b["nodeinit"]: "/nodeinit"}},
		{name: "debian", run: "/bin/bash", debian: true, files: map[string]string{b["kubectl"]: "/usr/local/bin/kubectl"}},
		{name: "volsync", run: "/manager", user: "65534", files: map[string]string{volsync: "/manager"}},
		{name: "volsync-mover", run: "/bin/bash", debian: true, files: map[string]string{
			filepath.Join(manifestsOf(volsync), path.Base(moverScript)): "/" + moverScript,
			b["restic"]: "/usr/local/bin/restic",
		}},
	})}
	if o.Tekton {
		var tekton []image
		for _, program := range tektonPrograms() {
			to := "/ko-app/" + program // as ko, upstream's builder, has it
			tekton = append(
				tekton,
				image{name: "tekton-" + program, run: to, user: "65532", files: map[string]string{b["tekton-"+program]: to}},
			)
		}
		all = append(all, b.archive(o, "tekton", tekton))
	}
	if o.Argo {
		all = append(all, b.archive(o, "argo", []image{
			{
				name:  "workflow-controller",
				run:   "workflow-controller",
				user:  "8737",
				files: map[string]string{b["workflow-controller"]: "/bin/workflow-controller"},
			},
			{name: "argoexec", run: "argoexec", files: map[string]string{b["argoexec"]: "/bin/argoexec"}},
		}))
	}
	if o.Events {
		all = append(all, b.archive(o, "events", []image{
			{name: "argo-events", run: "/bin/argo-events", files: map[string]string{b["argo-events"]: "/bin/argo-events"}},
			{name: "nats", run: "/nats-server", user: "9731", files: map[string]string{b["nats-server"]: "/nats-server"}},
		}))
	}
	if o.Databases {
		all = append(all, b.archiveUpon(o, databasePackages, "databases", []image{
			{name: "databases", run: "/bin/bash", debian: true},
		}))
	}
	return all
}

func (b built) archive(o Options, name string, images []image) archive {
	return b.archiveUpon(o, debianPackages, name, images)
}

func (b built) archiveUpon(o Options, packages, name string, images []image) archive {
	h := sha256.New()
	fmt.Fprintln(h, debianSuite, packages, PostgresUser)
	for _, i := range images {
		fmt.Fprintln(h, i) // programs' names have their own hashes in them
	}
	return archive{filepath.Join(o.Cache, "images", name+"-"+hex.EncodeToString(h.Sum(nil))[:12]+".tar"), packages, images}
}

// buildImages makes the archives that are not there yet.
func (b built) buildImages(ctx context.Context, o Options) error {
	for _, a := range b.archives(o) {
		if _, err := os.Stat(a.file); err == nil {
			continue
		}
		if err := a.build(ctx, o); err != nil {
			return fmt.Errorf("building images: %w", err)
		}
	}
	return nil
}

func (a archive) build(ctx context.Context, o Options) error {
	name, _, _ := strings.Cut(filepath.Base(a.file), "-")
	ticker := startTicker(o.Progress, "build the images of "+name)
	defer ticker.stop()
	if err := os.MkdirAll(filepath.Dir(a.file), 0o755); err != nil {
		return err
	}
	root := filepath.Join(
		o.Cache,
		"images",
		fmt.Sprintf("debian-%x", sha256.Sum256([]byte(debianSuite+a.packages)))[:19]+".tar",
	)
	refs := map[ref.Reference]v1.Image{}
	for _, i := range a.images {
		if i.debian {
			if err := debian(ctx, a.packages, root); err != nil {
				return err
			}
		}
		made, err := i.make(root)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		tag, err := ref.NewTag(imageName(i.name))
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		refs[tag] = made
	}
	if err := tarball.MultiRefWriteToFile(a.file+".next", refs); err != nil {
		return err
	}
	if err := os.Rename(a.file+".next", a.file); err != nil {
		return err
	}
	if err := prune(filepath.Join(filepath.Dir(a.file), name+"-????????????.tar")); err != nil {
		return err
	}
	ticker.done()
	return nil
}
