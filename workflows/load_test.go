// Package workflows is the Argo side: YAML, and here its tests, with Argo's own types.
package workflows

import (
	"testing"

	events "github.com/argoproj/argo-events/pkg/apis/events/v1alpha1"
	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// shipped is what some YAML says.
type shipped struct {
	templates map[string]*wfv1.WorkflowTemplate
	cluster   map[string]*wfv1.ClusterWorkflowTemplate
	workflows []*wfv1.Workflow
	crons     []*wfv1.CronWorkflow
	roles     []*rbacv1.Role
	bindings  []*rbacv1.RoleBinding
	sensors   []*events.Sensor
	sources   []*events.EventSource
	rules     []*prometheusRule
	others    []metav1.Object
}

// objects are the kinds that may be in it.
var objects = yamltest.Kinds{
	"argoproj.io/v1alpha1 WorkflowTemplate":        func() metav1.Object { return &wfv1.WorkflowTemplate{} },
	"argoproj.io/v1alpha1 ClusterWorkflowTemplate": func() metav1.Object { return &wfv1.ClusterWorkflowTemplate{} },
	"argoproj.io/v1alpha1 Workflow":                func() metav1.Object { return &wfv1.Workflow{} },
	"argoproj.io/v1alpha1 CronWorkflow":            func() metav1.Object { return &wfv1.CronWorkflow{} },
	"argoproj.io/v1alpha1 EventSource":             func() metav1.Object { return &events.EventSource{} },
	"argoproj.io/v1alpha1 Sensor":                  func() metav1.Object { return &events.Sensor{} },
	"monitoring.coreos.com/v1 PrometheusRule":      func() metav1.Object { return &prometheusRule{} },
	"v1 ServiceAccount":                            func() metav1.Object { return &corev1.ServiceAccount{} },
	"rbac.authorization.k8s.io/v1 Role":            func() metav1.Object { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1 RoleBinding":     func() metav1.Object { return &rbacv1.RoleBinding{} },
}

// decode reads YAML documents, strictly.
func decode(text []byte) (*shipped, error) {
	all, err := yamltest.Decode(text, objects.New)
	if err != nil {
		return nil, err
	}
	s := &shipped{templates: map[string]*wfv1.WorkflowTemplate{}, cluster: map[string]*wfv1.ClusterWorkflowTemplate{}}
	for _, o := range all {
		switch o := o.(type) {
		case *wfv1.WorkflowTemplate:
			s.templates[o.Name] = o
		case *wfv1.ClusterWorkflowTemplate:
			s.cluster[o.Name] = o
		case *wfv1.Workflow:
			s.workflows = append(s.workflows, o)
		case *wfv1.CronWorkflow:
			s.crons = append(s.crons, o)
		case *rbacv1.Role:
			s.roles = append(s.roles, o)
		case *rbacv1.RoleBinding:
			s.bindings = append(s.bindings, o)
		case *events.Sensor:
			s.sensors = append(s.sensors, o)
		case *events.EventSource:
			s.sources = append(s.sources, o)
		case *prometheusRule:
			s.rules = append(s.rules, o)
		default:
			s.others = append(s.others, o)
		}
	}
	return s, nil
}

// prometheusRule is as much of the type as is used here; its module is not worth its size.
type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// read reads a file of this directory.
func read(t *testing.T, name string) *shipped {
	t.Helper()
	s, err := decode(yamltest.Text(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// applied is what `kubectl apply -k workflows/` applies.
func applied(t *testing.T) *shipped {
	t.Helper()
	return kustomized(t, filesys.MakeFsOnDisk(), ".")
}

func kustomized(t *testing.T, fs filesys.FileSystem, dir string) *shipped {
	t.Helper()
	s, err := decode(yamltest.Rendered(t, fs, dir))
	yamltest.Must(t, err)
	return s
}

// files are all YAML files here.
func files(t *testing.T) []string { t.Helper(); return yamltest.Files(t, 10) }
