// Package yamltest is what the tests of YAML that is shipped have in common: tasks,
// workflows, jobs, docs/recipes. Nothing of it reaches the program.
package yamltest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Must fails the test if there is an error.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// None fails the test if there are problems, and Some if there is not one that says so:
// a check that reports nothing when something is wrong is no check.
func None(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// Some fails the test if no problem says so.
func Some(t *testing.T, problems []string, says string) {
	t.Helper()
	if !strings.Contains(strings.Join(problems, "\n"), says) {
		t.Errorf("nobody says %q, only %q", says, problems)
	}
}

// Text is what is in a file.
func Text(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	Must(t, err)
	return b
}

// Files are all YAML files below the working directory but kustomize's and Artifact Hub's
// own; there have to be so many at least.
func Files(t *testing.T, least int) []string {
	t.Helper()
	var all []string
	Must(t, filepath.WalkDir(".", func(path string, e os.DirEntry, err error) error {
		if filepath.Ext(path) == ".yaml" && !strings.HasPrefix(filepath.Base(path), "kustomiz") {
			all = append(all, path)
		}
		return err
	}))
	if len(all) < least {
		t.Fatalf("too few files: %q", all)
	}
	return all
}

// WriteImages writes the component that says which image runs.
func WriteImages(t *testing.T, fs filesys.FileSystem) {
	t.Helper()
	for _, name := range []string{"kustomization.yaml", "kustomizeconfig.yaml"} {
		Must(t, fs.WriteFile("/images/"+name, Text(t, "../images/"+name)))
	}
}

// Rendered is what `kubectl kustomize` makes of a directory.
func Rendered(t *testing.T, fs filesys.FileSystem, dir string) []byte {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, dir)
	Must(t, err)
	b, err := made.AsYaml()
	Must(t, err)
	return b
}

// Decode reads YAML documents into the objects that known gives for "APIVERSION KIND"; nil
// is for what may not be in it. What Kubernetes would ignore is an error: a field that no
// type has, a key that is given twice.
func Decode(text []byte, known func(kind string) metav1.Object) ([]metav1.Object, error) {
	var all []metav1.Object
	for _, doc := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			return nil, err
		}
		o := known(strings.TrimSpace(kind.APIVersion + " " + kind.Kind))
		if o == nil {
			return nil, fmt.Errorf("no such kind here: %s %s", kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind.Kind, o.GetName(), err)
		}
		all = append(all, o)
	}
	return all, nil
}

// Kinds makes objects by "APIVERSION KIND".
type Kinds map[string]func() metav1.Object

// New is a new object; nil if there is no such kind.
func (k Kinds) New(kind string) metav1.Object {
	if made := k[kind]; made != nil {
		return made()
	}
	return nil
}

// FilesAreThere asserts that every file that a README names is there.
func FilesAreThere(t *testing.T, readme string) {
	t.Helper()
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(Text(t, readme)), -1)
	if len(links) < 3 {
		t.Fatalf("only %d links", len(links))
	}
	for _, m := range links {
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
}

// Documented are the rules of the Role that a page asks for.
func Documented(t *testing.T, page string) []rbacv1.PolicyRule {
	t.Helper()
	_, rest, is := strings.Cut(string(Text(t, page)), "```yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n")
	role, _, end := strings.Cut(rest, "```")
	if !is || !end {
		t.Fatal(page + " has no Role")
	}
	var documented rbacv1.Role
	Must(t, yaml.UnmarshalStrict([]byte(role), &documented))
	if len(documented.Rules) == 0 {
		t.Fatal("the Role of " + page + " has no rules")
	}
	return documented.Rules
}

// Block is the YAML of a page that has this line.
func Block(t *testing.T, page, line string) []byte {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(Text(t, page)), -1) {
		if slices.Contains(strings.Split(m[1], "\n"), line) {
			return []byte(m[1])
		}
	}
	t.Fatalf("%s has no YAML with the line %q", page, line)
	return nil
}

// OtherThan says so if rules are not those that are wanted.
func OtherThan(got, want []rbacv1.PolicyRule) []string {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return []string{fmt.Sprintf("the rules are\n%v\nwant\n%v", got, want)}
}
