package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const digest = "sha256:2562562562562562562562562562562562562562562562562562562562562562"

func TestParse(t *testing.T) {
	for text, want := range map[string]image{
		"registry.example.com/copytrigger:v0.1.0":                     {"registry.example.com/copytrigger", "v0.1.0", ""},
		"localhost:5000/a/b:x@" + digest:                              {"localhost:5000/a/b", "x", digest},
		"registry.example.com/copytrigger":                            {},
		"copytrigger:v1":                                              {},
		"registry.example.com/copytrigger@" + digest:                  {},
		"registry.example.com/c:v1@sha256:" + strings.Repeat("0", 64): {},
	} {
		if got, err := parse(text); got != want || (err == nil) != (want != image{}) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}

// made are the files of a release for an image.
func made(t *testing.T, i image) (dir string, texts map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "release")
	if err := files(root, dir, i); err != nil {
		t.Fatal(err)
	}
	texts = map[string]string{}
	found, err := filepath.Glob(dir + "/install/*.yaml")
	if err != nil || len(found) < 20 {
		t.Fatalf("got %q, %v", found, err)
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".yaml")] = string(text)
	}
	return dir, texts
}

// images are those of containers, and where a parameter is not given.
var images = regexp.MustCompile(`(?m)(?:image|default|value): (\S*copytrigger(?:[:@]\S+)?)$`)

// Every form names the image that was asked for, as often as it names one of ours, and no zeros;
// that for OpenShift asks for no user.
func TestInstall(t *testing.T) {
	i := image{"registry.example.com:5000/copytrigger", "v0.9.0", digest}
	_, texts := made(t, i)
	for name, text := range texts {
		found := images.FindAllStringSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s names no image", name)
		}
		for _, m := range found {
			if m[1] != i.String() {
				t.Errorf("%s: the image is %s", name, m[1])
			}
		}
		if strings.Contains(text, "0000000") {
			t.Errorf("%s has zeros", name)
		}
		users := strings.Count(text, "runAsUser: 65532")
		if openshift := strings.HasSuffix(name, "-openshift"); openshift && users > 0 {
			t.Errorf("%s asks %d times for a user", name, users)
		} else if !openshift && users == 0 && name != "tasks" && name != "recipe-fsfreeze" {
			t.Errorf("%s asks for no user: the one for OpenShift proves nothing", name)
		}
	}
}

// The recipes name the image that images/ names: by themselves they are applied as they are.
func TestRecipesNameTheSameImage(t *testing.T) {
	var component struct {
		Images []struct{ NewName, NewTag, Digest string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "images/kustomization.yaml")), &component); err != nil {
		t.Fatal(err)
	}
	want := image{component.Images[0].NewName, component.Images[0].NewTag, component.Images[0].Digest}
	if want.name != ours {
		t.Errorf("the image is %s, want %s", want.name, ours)
	}
	recipes, _ := filepath.Glob(root + "docs/recipes/*.yaml")
	for _, file := range recipes {
		for _, m := range images.FindAllStringSubmatch(read(t, strings.TrimPrefix(file, root)), -1) {
			if m[1] != want.String() {
				t.Errorf("%s names %s, want %s", file, m[1], want)
			}
		}
	}
}

// Artifact Hub looks for KIND/NAME/NAME.yaml, a version as label, a description, and images that
// are known.
func TestCatalogues(t *testing.T) {
	dir, _ := made(t, image{ours, "v0.9.0", digest})
	for kind, least := range map[string]int{"task": 10, "stepaction": 10, "pipeline": 2} {
		found, _ := filepath.Glob(dir + "/artifacthub/" + kind + "/*")
		if len(found) < least {
			t.Errorf("%d of %s, want %d", len(found), kind, least)
		}
		for _, at := range found {
			if _, err := os.Stat(at + "/README.md"); err != nil {
				t.Error(err)
			}
			text, err := os.ReadFile(at + "/" + filepath.Base(at) + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			var o struct {
				Metadata struct {
					Name, Namespace string
					Labels          map[string]string
				}
				Spec struct {
					Description, Image string
					Params             []struct {
						Name    string
						Default any
					}
				}
			}
			if err := yaml.Unmarshal(text, &o); err != nil {
				t.Fatal(err)
			}
			if o.Metadata.Labels["app.kubernetes.io/version"] != "0.9.0" ||
				o.Spec.Description == "" || o.Metadata.Namespace != "" ||
				o.Metadata.Name != filepath.Base(at) {
				t.Errorf("%s: %+v", at, o)
			}
			for _, p := range o.Spec.Params {
				if (p.Name == "image" || strings.HasSuffix(p.Name, "-image")) && p.Default == nil {
					t.Errorf("%s: parameter %s has no default", at, p.Name)
				}
			}
		}
	}
	if found, _ := filepath.Glob(dir + "/artifacthub/task/quiesced-copy*/samples/*.yaml"); len(found) < 2 {
		t.Errorf("the samples are %q", found)
	}
	argo, _ := filepath.Glob(dir + "/artifacthub/argo/*/artifacthub-pkg.yml")
	if len(argo) != 3 {
		t.Fatalf("got %q", argo)
	}
	for _, file := range argo {
		text, _ := os.ReadFile(file)
		var pkg map[string]any
		if err := yaml.UnmarshalStrict(text, &pkg); err != nil ||
			pkg["version"] != "0.9.0" || pkg["containersImages"] == nil || pkg["changes"] == nil {
			t.Errorf("%s: %v: %s", file, err, text)
		}
	}
}

func TestNotes(t *testing.T) {
	dir := t.TempDir()
	changelog := "# Changelog\n\n" +
		"## [Unreleased]\n\n- new\n\n" +
		"## [2.0.0] - 2027-01-01\n\n- two\n\n" +
		"## [1.0.0]\n\n- one\n\n[1.0.0]: x\n"
	if err := write(dir+"/CHANGELOG.md", changelog); err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{"v2.0.0": "- two\n", "v1.0.0": "- one\n\n", "v3.0.0": "- new\n"} {
		if got, err := notesOf(dir, tag); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", tag, got, err)
		}
	}
}

// A form that is forgotten would keep the image of somebody else.
func TestForms(t *testing.T) {
	found, err := filepath.Glob(root + "*/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		form := filepath.Base(filepath.Dir(file))
		if form != "images" && form != "openshift" && !slices.Contains(forms(), form) {
			t.Errorf("%s is no form", form)
		}
	}
}

// The overlays that the pages show, beside bin/deploy, name claim and copy, and leave the rest. What is
// commented out in them works, too.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := overlays(root, filepath.Join(dir, "bin/deploy"), image{ours, "v0.9.0", digest}, false); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "rbac"), os.DirFS(filepath.Join(root, "rbac"))); err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)# (components: |- target: |  patch: )`)
	for page, has := range map[string][]string{
		"getting-started.md": {
			"- name: COPYTRIGGER_PVC\n              value: data\n", "psql -U postgres -c CHECKPOINT", "name: copytrigger-exec",
		},
		"tekton.md": {"name: quiesced-copy-run\n", "kind: StepAction\n"},
	} {
		_, rest, _ := strings.Cut(read(t, "docs/"+page), "/kustomization.yaml` beside `bin`")
		_, rest, _ = strings.Cut(rest, "```yaml\n")
		text, _, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("%s has no kustomization.yaml beside bin", page)
		}
		text = strings.TrimPrefix(strings.ReplaceAll(text, "\n   ", "\n"), "   ") // it stands in a list
		if err := write(filepath.Join(dir, "nightly/kustomization.yaml"), text); err != nil {
			t.Fatal(err)
		}
		made, err := render(filepath.Join(dir, "nightly"))
		if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		for _, want := range append(has, "namespace: app", ours+":v0.9.0@"+digest, "  - volsync-backup-src\n") {
			if !strings.Contains(made, want) {
				t.Errorf("what %s shows has no %q", page, want)
			}
		}
		if page != "tekton.md" {
			continue
		}
		optional := []string{"  resourceNames:\n  - db-0\n", "  resourceNames:\n  - backup\n"}
		text = commented.ReplaceAllString(text, "$1$2")
		if err := write(filepath.Join(dir, "nightly/kustomization.yaml"), text); err != nil {
			t.Fatal(err)
		}
		all, err := render(filepath.Join(dir, "nightly"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range optional {
			if strings.Contains(made, want) || !strings.Contains(all, want) {
				t.Errorf("what %s has commented out does not add %q", page, want)
			}
		}
	}
}
