package jobs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// alerts are the rules as Prometheus reads them, and the names of the alerts.
func alerts(t *testing.T) (rules string, names []string) {
	t.Helper()
	var o struct{ Spec map[string]any }
	yamltest.Must(t, yaml.Unmarshal(yamltest.Text(t, "monitoring/prometheusrule.yaml"), &o))
	for _, g := range o.Spec["groups"].([]any) {
		for _, r := range g.(map[string]any)["rules"].([]any) {
			names = append(names, r.(map[string]any)["alert"].(string))
		}
	}
	text, err := yaml.Marshal(o.Spec)
	yamltest.Must(t, err)
	return string(text), names
}

// The page names every alert.
func TestAlertsAreNamed(t *testing.T) {
	page := string(yamltest.Text(t, "../docs/monitoring.md"))
	_, names := alerts(t)
	for _, name := range names {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/monitoring.md does not name %s", name)
		}
	}
	if len(names) != 5 {
		t.Errorf("the alerts are %q", names)
	}
}

// Prometheus' own tool sees each of them fire on what is wrong, and on nothing else.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("nothing tests the alerts: %v", err)
	}
	test := func(rules string) (string, error) {
		dir := t.TempDir()
		yamltest.Must(t, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600))
		yamltest.Must(t, os.WriteFile(filepath.Join(dir, "alerts.yaml"), yamltest.Text(t, "testdata/alerts.yaml"), 0o600))
		said, err := exec.Command(promtool, "test", "rules", filepath.Join(dir, "alerts.yaml")).CombinedOutput()
		return string(said), err
	}
	rules, _ := alerts(t)
	if said, err := test(rules); err != nil {
		t.Errorf("%v:\n%s", err, said)
	}
	for from, to := range map[string]string{
		`{role="source"}`: "",
		"unless":          "and",
		"offset 26h":      "offset 60h",
	} {
		changed := strings.ReplaceAll(rules, from, to)
		if _, err := test(changed); err == nil || changed == rules {
			t.Errorf("%q in place of %q is not seen", to, from)
		}
	}
}
