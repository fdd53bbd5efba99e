package images

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"debug/elf"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	binary = "copytrigger"
	certs  = "etc/ssl/certs/ca-certificates.crt"
	userID = 65532
)

var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// image is one platform's image.
type image struct {
	v1.Descriptor
	config *v1.ConfigFile
	files  []File
}

func (i image) content(t *testing.T, name string) []byte {
	t.Helper()
	for _, f := range i.files {
		if f.Name == name {
			return f.Content
		}
	}
	t.Fatalf("no file %s in the image", name)
	return nil
}

// env returns what the build says about itself. The tests are about a built
// image and are skipped without one, but with one nothing may be missing.
func env(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("COPYTRIGGER_IMAGE") == "" {
		t.Skip("COPYTRIGGER_IMAGE is not set; make image-check sets it")
	}
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; make image-check sets it", name)
	}
	return value
}

func open(t *testing.T, archive string) v1.ImageIndex {
	t.Helper()
	index, err := Open(archive, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// eachImage runs the test for the images of all platforms.
func eachImage(t *testing.T, test func(*testing.T, image)) {
	index := open(t, env(t, "COPYTRIGGER_IMAGE"))
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) == 0 {
		t.Fatal("no images in the index")
	}
	for _, desc := range m.Manifests {
		t.Run(desc.Platform.Architecture, func(t *testing.T) {
			img, err := index.Image(desc.Digest)
			if err != nil {
				t.Fatal(err)
			}
			config, err := img.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			files, err := Files(img)
			if err != nil {
				t.Fatal(err)
			}
			test(t, image{desc, config, files})
		})
	}
}

// TestBlobs verifies the digest and size of everything in the archive.
func TestBlobs(t *testing.T) {
	if err := validate.Index(open(t, env(t, "COPYTRIGGER_IMAGE"))); err != nil {
		t.Error(err)
	}
}

// TestReproducible compares two builds of the same commit.
func TestReproducible(t *testing.T) {
	archives := [2]string{env(t, "COPYTRIGGER_IMAGE"), env(t, "COPYTRIGGER_IMAGE_AGAIN")}
	if a, b := archives[0], archives[1]; filepath.Clean(a) == filepath.Clean(b) {
		t.Fatalf("%s compared with itself", a)
	}
	var digests [2]map[string]string
	for i, archive := range archives {
		index := open(t, archive)
		digest, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		m, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		digests[i] = map[string]string{
			"index":   digest.String(),
			"archive": fmt.Sprintf("sha256:%x", sha256.Sum256(content)),
		}
		for _, desc := range m.Manifests {
			digests[i][desc.Platform.String()] = desc.Digest.String()
		}
	}
	names := maps.Clone(digests[0])
	maps.Copy(names, digests[1])
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, b := digests[0][name], digests[1][name]
		if a != b {
			t.Errorf("%s: first build %q, second build %q", name, a, b)
		} else {
			t.Logf("%s: %s twice", name, a)
		}
	}
}

func TestPlatforms(t *testing.T) {
	var want []string
	for arch := range strings.FieldsSeq(env(t, "COPYTRIGGER_IMAGE_ARCHES")) {
		want = append(want, "linux/"+arch)
	}
	m, err := open(t, env(t, "COPYTRIGGER_IMAGE")).IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, desc := range m.Manifests {
		have = append(have, desc.Platform.String())
	}
	if !slices.Equal(have, want) {
		t.Errorf("platforms %v, want %v", have, want)
	}
}

func TestFiles(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		// A shell or anything else beside the program would be seen here.
		want := []string{
			"-r-xr-xr-x 0:0 copytrigger",
			"drwxr-xr-x 0:0 etc/",
			"drwxr-xr-x 0:0 etc/ssl/",
			"drwxr-xr-x 0:0 etc/ssl/certs/",
			"-r--r--r-- 0:0 etc/ssl/certs/ca-certificates.crt",
		}
		var have []string
		for _, f := range img.files {
			have = append(have, fmt.Sprintf("%s %d:%d %s", f.FileInfo().Mode(), f.Uid, f.Gid, f.Name))
		}
		if !slices.Equal(have, want) {
			t.Errorf("files:\n%s\nwant:\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestConfig(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		config := img.config.Config
		if have, want := img.config.Platform().String(), img.Platform.String(); have != want {
			t.Errorf("platform %s in the config, %s in the index", have, want)
		}
		if have, want := config.User, fmt.Sprintf("%d:%d", userID, userID); have != want {
			t.Errorf("user %q, want %q", have, want)
		}
		if have, want := config.Entrypoint, []string{"/" + binary}; !slices.Equal(have, want) {
			t.Errorf("entrypoint %q, want %q", have, want)
		}
		if len(config.Cmd) != 0 || len(config.Volumes) != 0 || len(config.ExposedPorts) != 0 {
			t.Errorf("cmd %q, volumes %v, ports %v, want none", config.Cmd, config.Volumes, config.ExposedPorts)
		}
		if config.WorkingDir != "" && config.WorkingDir != "/" {
			t.Errorf("working directory %q, want none", config.WorkingDir)
		}
	})
}

func TestLabels(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		labels := maps.Clone(img.config.Config.Labels)
		for name, want := range map[string]string{
			"title":    "copytrigger",
			"source":   "https://github.com/copytrigger/copytrigger",
			"licenses": "Apache-2.0",
			"version":  env(t, "COPYTRIGGER_IMAGE_VERSION"),
			"revision": env(t, "COPYTRIGGER_IMAGE_REVISION"),
		} {
			name = "org.opencontainers.image." + name
			if have := labels[name]; have != want {
				t.Errorf("label %s is %q, want %q", name, have, want)
			}
			delete(labels, name)
		}
		if labels["org.opencontainers.image.description"] == "" {
			t.Error("no description")
		}
		delete(labels, "org.opencontainers.image.description")
		// Such as the builder's version, which would change the digest.
		if len(labels) != 0 {
			t.Errorf("unexpected labels %v", labels)
		}
	})
}

func TestTimes(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		seconds, err := strconv.ParseInt(env(t, "COPYTRIGGER_IMAGE_EPOCH"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		want := time.Unix(seconds, 0)
		if !img.config.Created.Equal(want) {
			t.Errorf("created %v, want %v", img.config.Created, want)
		}
		for _, h := range img.config.History {
			if !h.Created.Equal(want) {
				t.Errorf("history %q at %v, want %v", h.CreatedBy, h.Created, want)
			}
		}
		for _, f := range img.files {
			if !f.ModTime.Equal(want) {
				t.Errorf("%s at %v, want %v", f.Name, f.ModTime, want)
			}
		}
	})
}

func TestBinary(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		f, err := elf.NewFile(bytes.NewReader(img.content(t, binary)))
		if err != nil {
			t.Fatal(err)
		}
		want, ok := machines[img.Platform.Architecture]
		if !ok || f.Machine != want {
			t.Errorf("binary for %v in the image for %v", f.Machine, img.Platform)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%v: the binary is not static", p.Type)
			}
		}
	})
}

func TestCertificates(t *testing.T) {
	eachImage(t, func(t *testing.T, img image) {
		var have []string
		rest := img.content(t, certs)
		for {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if !cert.IsCA {
				t.Errorf("%s is no CA", cert.Subject)
			}
			have = append(have, string(cert.Raw))
		}
		var want []string
		constrained := 0
		for root := range bundle.Roots() {
			if root.Constraint != nil {
				constrained++
				continue
			}
			want = append(want, string(root.Certificate))
		}
		if !slices.Equal(have, want) {
			t.Errorf("the %d certificates are not the %d unconstrained roots", len(have), len(want))
		}
		if len(have) < 50 {
			t.Errorf("only %d certificates", len(have))
		}
		t.Logf("%d certificates, %d constrained roots left out", len(have), constrained)
	})
}

// TestRun runs this machine's binary as the image's user, seeing nothing but
// the image's files.
func TestRun(t *testing.T) {
	version := env(t, "COPYTRIGGER_IMAGE_VERSION")
	ran := false
	eachImage(t, func(t *testing.T, img image) {
		if img.Platform.OS != runtime.GOOS || img.Platform.Architecture != runtime.GOARCH {
			t.Skipf("cannot run %v here", img.Platform)
		}
		ran = true
		root := t.TempDir()
		for _, f := range img.files {
			path := filepath.Join(root, f.Name)
			var err error
			if f.FileInfo().IsDir() {
				err = os.Mkdir(path, 0o700)
			} else {
				err = os.WriteFile(path, f.Content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		// Afterwards, for the umask not to matter.
		for _, f := range img.files {
			if err := os.Chmod(filepath.Join(root, f.Name), f.FileInfo().Mode().Perm()); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(root, 0o755); err != nil {
			t.Fatal(err)
		}

		cmd := exec.Command(img.config.Config.Entrypoint[0], "--version")
		cmd.Env = img.config.Config.Env
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Chroot:     root,
			Credential: &syscall.Credential{Uid: userID, Gid: userID},
		}
		if os.Geteuid() != 0 {
			// chroot and another user need a user namespace.
			attr := cmd.SysProcAttr
			attr.Cloneflags = syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: userID, HostID: os.Geteuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: userID, HostID: os.Getegid(), Size: 1}}
			attr.Credential.NoSetGroups = true
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Logf("%s", out)
		if !strings.Contains(string(out), version) {
			t.Errorf("--version printed %q, want the version %s in it", out, version)
		}
	})
	if !ran {
		t.Errorf("no image for %s/%s was run", runtime.GOOS, runtime.GOARCH)
	}
}
