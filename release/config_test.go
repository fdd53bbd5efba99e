package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"sigs.k8s.io/yaml"
)

const root = "../"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// goreleaser reads its file, and knows every field.
func TestGoreleaser(t *testing.T) {
	project, err := config.Load(root + ".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	build := project.Builds[0]
	for what, got := range map[string][]string{
		"linux darwin windows": build.Goos,
		"amd64 arm64":          build.Goarch,
	} {
		if strings.Join(got, " ") != what {
			t.Errorf("it builds for %q, want %q", got, what)
		}
	}
	if project.Checksum.NameTemplate == "" ||
		len(project.SBOMs) == 0 || len(project.Signs) == 0 || len(project.Krews) == 0 {
		t.Error("checksums, SBOMs, signatures or krew's manifest are missing")
	}
	// The Makefile, the image and the release compile the same program.
	mk := read(t, "images/image.mk")
	if tags := "GO_TAGS           ?= " + strings.Join(build.Tags, ",") + "\n"; !strings.Contains(mk, tags) {
		t.Errorf("images/image.mk does not have %q", tags)
	}
	for _, symbol := range []string{"version", "commit", "date"} {
		flag := "-X main." + symbol + "="
		if !strings.Contains(strings.Join(build.Ldflags, " "), flag) || !strings.Contains(mk, flag) {
			t.Errorf("%s is not in both", flag)
		}
	}
	for _, a := range project.Archives {
		for _, f := range a.Files {
			if found, err := filepath.Glob(root + f.Source); err != nil || len(found) == 0 {
				t.Errorf("there is no %s for the archives", f.Source)
			}
		}
	}
}

// A file that goreleaser does not know is refused.
func TestGoreleaserIsStrict(t *testing.T) {
	if _, err := config.LoadReader(strings.NewReader("version: 2\nno-such-field: 1\n")); err == nil {
		t.Error("a field that is not there was taken")
	}
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)

// Workflows have no rights but those they name, and run nothing that a tag can change.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(root + ".github/workflows/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		text := read(t, strings.TrimPrefix(file, root))
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: the default of permissions is not {}", file)
		}
		for _, use := range regexp.MustCompile(`uses: (.*)`).FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s: %s is not pinned by a commit, with its version", file, use[1])
			}
		}
		for _, target := range regexp.MustCompile(`make ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			if makefiles := read(t, "Makefile") + read(t, "images/image.mk"); !strings.Contains(makefiles, "\n"+target[1]+":") {
				t.Errorf("%s: make has no target %s", file, target[1])
			}
		}
	}
}

// Everything under .github is YAML, and dependabot knows every module.
func TestGithub(t *testing.T) {
	err := filepath.WalkDir(root+".github", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yml") {
			return err
		}
		var into map[string]any
		if err := yaml.UnmarshalStrict([]byte(read(t, strings.TrimPrefix(path, root))), &into); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, pattern := range []string{"go.mod", "*/go.mod"} {
		found, _ := filepath.Glob(root + pattern)
		for _, f := range found {
			modules = append(modules, strings.TrimSuffix("/"+strings.TrimSuffix(strings.TrimPrefix(f, root), "go.mod"), "/"))
		}
	}
	modules[0] = "/"
	slices.Sort(modules[1:])
	list := "directories: [" + strings.Join(modules, ", ") + "]"
	if !strings.Contains(read(t, ".github/dependabot.yml"), list) {
		t.Errorf("dependabot.yml does not have %s", list)
	}
	for _, ask := range []string{"copytrigger version -o json", "annotations"} {
		if !strings.Contains(read(t, ".github/ISSUE_TEMPLATE/bug.yml"), ask) {
			t.Errorf("nobody asks for %s", ask)
		}
	}
}
