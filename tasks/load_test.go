// Package tasks is the Tekton side: YAML, and here its tests, with Tekton's own types.
package tasks

import (
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// shipped is what some YAML says.
type shipped struct {
	actions   map[string]*v1beta1.StepAction
	tasks     map[string]*v1.Task
	pipelines map[string]*v1.Pipeline
	runs      []*v1.PipelineRun
	taskRuns  []*v1.TaskRun
	roles     []*rbacv1.Role
	others    []metav1.Object
}

// objects are the kinds that may be in it.
var objects = yamltest.Kinds{
	"tekton.dev/v1beta1 StepAction":            func() metav1.Object { return &v1beta1.StepAction{} },
	"tekton.dev/v1 Task":                       func() metav1.Object { return &v1.Task{} },
	"tekton.dev/v1 Pipeline":                   func() metav1.Object { return &v1.Pipeline{} },
	"tekton.dev/v1 PipelineRun":                func() metav1.Object { return &v1.PipelineRun{} },
	"tekton.dev/v1 TaskRun":                    func() metav1.Object { return &v1.TaskRun{} },
	"v1 ServiceAccount":                        func() metav1.Object { return &corev1.ServiceAccount{} },
	"v1 ConfigMap":                             func() metav1.Object { return &corev1.ConfigMap{} },
	"v1 Secret":                                func() metav1.Object { return &corev1.Secret{} },
	"batch/v1 CronJob":                         func() metav1.Object { return &batchv1.CronJob{} },
	"rbac.authorization.k8s.io/v1 Role":        func() metav1.Object { return &rbacv1.Role{} },
	"rbac.authorization.k8s.io/v1 RoleBinding": func() metav1.Object { return &rbacv1.RoleBinding{} },
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy": func() metav1.Object {
		return &admissionv1.ValidatingAdmissionPolicy{}
	},
	"admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding": func() metav1.Object {
		return &admissionv1.ValidatingAdmissionPolicyBinding{}
	},
}

// decode reads YAML documents, strictly.
func decode(text []byte) (*shipped, error) {
	all, err := yamltest.Decode(text, objects.New)
	if err != nil {
		return nil, err
	}
	s := &shipped{
		actions:   map[string]*v1beta1.StepAction{},
		tasks:     map[string]*v1.Task{},
		pipelines: map[string]*v1.Pipeline{},
	}
	for _, o := range all {
		switch o := o.(type) {
		case *v1beta1.StepAction:
			s.actions[o.Name] = o
		case *v1.Task:
			s.tasks[o.Name] = o
		case *v1.Pipeline:
			s.pipelines[o.Name] = o
		case *v1.PipelineRun:
			s.runs = append(s.runs, o)
		case *v1.TaskRun:
			s.taskRuns = append(s.taskRuns, o)
		case *rbacv1.Role:
			s.roles = append(s.roles, o)
		default:
			s.others = append(s.others, o)
		}
	}
	return s, nil
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

// applied is what `kubectl apply -k tasks/` applies.
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
func files(t *testing.T) []string { t.Helper(); return yamltest.Files(t, 15) }
