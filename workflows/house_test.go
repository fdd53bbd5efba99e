package workflows

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// undescribed is what a catalog (Argo's, Artifact Hub) or the README misses.
func undescribed(s *shipped, readme string) []string {
	var problems []string
	for _, o := range s.templates {
		say := func(ok bool, what string) {
			if !ok {
				problems = append(problems, o.Name+": "+what)
			}
		}
		say(regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(o.Labels["app.kubernetes.io/version"]), "no version")
		for key, form := range map[string]string{
			"title": `.`, "description": `\.$`, "tags": `volsync`, "maintainer": `^@`, "version": `^>= 3\.6\.0$`,
		} {
			key = "workflows.argoproj.io/" + key
			say(regexp.MustCompile(form).MatchString(o.Annotations[key]), key+" is "+o.Annotations[key])
		}
		mentioned := func(what, name string, description *wfv1.AnyString) {
			say(description != nil && *description != "", what+" "+name+" has no description")
			say(strings.Contains(readme, "`"+name+"`"), what+" "+name+" is not in the README")
		}
		for _, p := range o.Spec.Arguments.Parameters {
			mentioned("parameter", p.Name, p.Description)
		}
		for _, tmpl := range o.Spec.Templates {
			say(strings.Contains(readme, "`"+tmpl.Name+"`"), tmpl.Name+" is not in the README")
			for _, p := range tmpl.Inputs.Parameters {
				if o.Spec.Arguments.GetParameterByName(p.Name) == nil { // or it is described there
					mentioned("parameter", p.Name, p.Description)
				}
			}
			for _, p := range tmpl.Outputs.Parameters {
				mentioned("output", p.Name, p.Description)
			}
		}
	}
	return problems
}

func TestDescriptions(t *testing.T) {
	readme := string(yamltest.Text(t, "README.md"))
	yamltest.None(t, undescribed(applied(t), readme))

	s := applied(t)
	o := s.templates["quiesced-copy"]
	o.Labels, o.Annotations = nil, nil
	o.Spec.Arguments.Parameters[0].Description = nil
	o.Spec.Arguments.Parameters[1].Name = "not-documented"
	named(o, "freeze").Outputs.Parameters[0].Description = wfv1.AnyStringPtr("")
	got := undescribed(s, readme)
	for _, says := range []string{
		"no version", "version is", "pvcs has no", "not-documented is not", "output outcome has no",
	} {
		yamltest.Some(t, got, says)
	}
	yamltest.Some(t, undescribed(s, ""), "cleanup is not in the README")
}

// Every example and file that the README names is there.
func TestReadmeNamesFiles(t *testing.T) { yamltest.FilesAreThere(t, "README.md") }

// Artifact Hub's files say what the templates say.
func TestArtifactHub(t *testing.T) {
	for name, o := range applied(t).templates {
		var pkg struct {
			Name, Version, DisplayName string
			Annotations                map[string]string
		}
		yamltest.Must(t, yaml.Unmarshal(yamltest.Text(t, filepath.Join("templates", name, "artifacthub-pkg.yml")), &pkg))
		got := []string{pkg.Name, pkg.Version, pkg.DisplayName, pkg.Annotations["argo/version"]}
		want := []string{
			name,
			o.Labels["app.kubernetes.io/version"],
			o.Annotations["workflows.argoproj.io/title"],
			o.Annotations["workflows.argoproj.io/version"],
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The rights are those that docs/getting-started.md asks for, those of Argo's own container, and no more;
// only cleanups may list pods.
func TestRole(t *testing.T) {
	want := append(
		yamltest.Documented(t, "../docs/getting-started.md"),
		rbacv1.PolicyRule{
			APIGroups: []string{"argoproj.io"},
			Resources: []string{"workflowtaskresults"},
			Verbs:     []string{"create", "patch"},
		},
	)
	yamltest.None(t, yamltest.OtherThan(applied(t).roles[0].Rules, want))
	yamltest.None(t, yamltest.OtherThan(applied(t).roles[1].Rules, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
	}))
	more := applied(t).roles[0].Rules
	more[0].Verbs = append(more[0].Verbs, "list")
	yamltest.Some(t, yamltest.OtherThan(more, want), "list")
	b := applied(t).bindings[0]
	if len(b.Subjects) != 1 || b.Subjects[0].Name != "copytrigger" || b.RoleRef.Name != applied(t).roles[0].Name {
		t.Errorf("the RoleBinding is of %v for %v", b.RoleRef, b.Subjects)
	}
}

// badFilters are filters of events that match more than they say, or nothing.
func badFilters(s *shipped) []string {
	var problems []string
	for _, source := range s.sources {
		for name, r := range source.Spec.Resource {
			if r.Filter.AfterStart || len(r.EventTypes) != 2 {
				problems = append(problems, name+": claims that wait already are missed")
			}
			for _, f := range r.Filter.Fields {
				if !strings.HasPrefix(f.Value, "^") || !strings.HasSuffix(f.Value, "$") {
					problems = append(problems, name+": the value is not anchored")
				}
				if strings.Contains(strings.ReplaceAll(f.Key, `\.`, ""), "backube/") &&
					!strings.Contains(f.Key, `volsync\.backube/`) {
					problems = append(problems, name+": the dot is not escaped")
				}
			}
		}
	}
	return problems
}

func TestEvents(t *testing.T) {
	s := kustomized(t, diskFS, "events")
	yamltest.None(t, badFilters(s))
	trigger := s.sensors[0].Spec.Triggers[0].Template.K8s
	var wf wfv1.Workflow
	yamltest.Must(t, yaml.UnmarshalStrict(trigger.Source.Resource.Value, &wf))
	yamltest.None(t, lint(&shipped{workflows: []*wfv1.Workflow{&wf}}, applied(t).templates, nil))
	if p := trigger.Parameters[0]; p.Dest != "spec.arguments.parameters.0.value" ||
		wf.Spec.Arguments.Parameters[0].Name != "pvcs" {
		t.Errorf("the event sets %s", p.Dest)
	}
	d := s.sensors[0].Spec.Dependencies[0]
	if s.sources[0].Name != d.EventSourceName || len(s.sources[0].Spec.Resource) != 1 ||
		s.sources[0].Spec.Resource[d.EventName].Filter == nil {
		t.Errorf("nothing sends %s of %s", d.EventName, d.EventSourceName)
	}
	for says, change := range map[string]func(){
		"is not anchored": func() { s.sources[0].Spec.Resource["waiting"].Filter.Fields[0].Value = "WaitingForTrigger" },
		"the dot is not": func() {
			s.sources[0].Spec.Resource["waiting"].Filter.Fields[0].Key = "metadata.annotations.volsync.backube/x"
		},
		"claims that wait al": func() { s.sources[0].Spec.Resource["waiting"].Filter.AfterStart = true },
	} {
		change()
		yamltest.Some(t, badFilters(s), says)
	}
}

// The alerts are about metrics and labels that the templates have.
func TestAlerts(t *testing.T) {
	known := map[string][]string{}
	collect := func(m *wfv1.Metrics) {
		if m == nil {
			return
		}
		for _, p := range m.Prometheus {
			for _, l := range p.Labels {
				known["argo_workflows_"+p.Name] = append(known["argo_workflows_"+p.Name], l.Key)
			}
			if p.Help == "" {
				t.Errorf("%s: Argo emits none without help", p.Name)
			}
		}
	}
	o := applied(t).templates["quiesced-copy"]
	collect(o.Spec.Metrics)
	for _, tmpl := range o.Spec.Templates {
		collect(tmpl.Metrics)
	}
	rules := read(t, "monitoring/prometheusrule.yaml").rules[0].Spec.Groups[0].Rules
	if len(rules) < 3 || len(known) != 4 {
		t.Fatalf("%d alerts for %v", len(rules), known)
	}
	for _, r := range rules {
		for _, m := range regexp.MustCompile(`argo_workflows_\w+`).FindAllString(r.Expr, -1) {
			if labels := known[m]; !slices.Contains(labels, "pvc") ||
				strings.Contains(r.Expr, "status") && !slices.Contains(labels, "status") {
				t.Errorf("%s: %s has the labels %q", r.Alert, m, labels)
			}
		}
	}
}
