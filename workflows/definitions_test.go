package workflows

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// schemas are those of Argo's full definitions, by kind. Where a cluster has these, and not
// the minimal ones, the API server holds what is applied to them: they ask for more than
// Argo's own validation does.
func schemas(t *testing.T) map[string]*spec.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-workflows/v4").Output()
	yamltest.Must(t, err)
	files, err := filepath.Glob(
		filepath.Join(strings.TrimSpace(string(dir)), "manifests/base/crds/full/argoproj.io_*.yaml"),
	)
	yamltest.Must(t, err)
	all := map[string]*spec.Schema{}
	for _, file := range files {
		var definition struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema *spec.Schema }
				}
			}
		}
		text, err := os.ReadFile(file)
		yamltest.Must(t, err)
		yamltest.Must(t, yaml.Unmarshal(text, &definition))
		all[definition.Spec.Names.Kind] = definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	}
	return all
}

// refused is what an API server with these schemas has against YAML documents.
func refused(t *testing.T, schemas map[string]*spec.Schema, text []byte) (problems []string, seen int) {
	t.Helper()
	for _, document := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		var o map[string]any
		yamltest.Must(t, yaml.Unmarshal(document, &o))
		schema := schemas[fmt.Sprint(o["kind"])]
		if schema == nil {
			continue // not one of Argo Workflows'
		}
		seen++
		for _, err := range validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(o).Errors {
			problems = append(problems, err.Error())
		}
	}
	return problems, seen
}

func TestDefinitionsAcceptWhatIsShipped(t *testing.T) {
	all, total := schemas(t), 0
	for _, name := range files(t) {
		problems, seen := refused(t, all, yamltest.Text(t, name))
		yamltest.None(t, problems)
		total += seen
	}
	if total < 6 {
		t.Errorf("only %d objects are Argo's", total)
	}
	changed := strings.ReplaceAll(
		string(yamltest.Text(t, "templates/quiesced-copy/manifests.yaml")),
		"realtime: false\n",
		"",
	)
	problems, _ := refused(t, all, []byte(changed))
	yamltest.Some(t, problems, "realtime")
}
