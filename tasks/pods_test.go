package tasks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// restricted is what Pod Security "restricted", a read-only root and OpenShift ask of a
// container.
func restricted(name string, c *corev1.SecurityContext) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, name+": "+what)
		}
	}
	if c == nil {
		return []string{name + ": no securityContext"}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	say(is(c.AllowPrivilegeEscalation, false), "allowPrivilegeEscalation is not false")
	say(is(c.RunAsNonRoot, true), "runAsNonRoot is not true")
	say(is(c.ReadOnlyRootFilesystem, true), "readOnlyRootFilesystem is not true")
	say(
		c.Capabilities != nil && slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) && c.Capabilities.Add == nil,
		"capabilities are kept",
	)
	say(
		c.SeccompProfile != nil && c.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"seccompProfile is not RuntimeDefault",
	)
	say(c.RunAsUser == nil && c.RunAsGroup == nil, "runAsUser is set, which OpenShift refuses")
	return problems
}

// badPods is what is wrong with the pods that Tasks make.
func badPods(s *shipped) []string {
	var problems []string
	for _, task := range s.tasks {
		spec, _ := merge(s, task)
		for _, step := range spec.Steps {
			name := task.Name + "/" + step.Name
			problems = append(problems, restricted(name, step.SecurityContext)...)
			if step.ComputeResources.Limits != nil {
				problems = append(problems, name+": has limits")
			}
			if m := step.ComputeResources.Requests.Memory(); m.IsZero() || m.Value() > 64<<20 {
				problems = append(problems, fmt.Sprintf("%s: asks for %s of memory", name, m))
			}
			if step.ImagePullPolicy != corev1.PullIfNotPresent {
				problems = append(problems, name+": is pulled when it is there")
			}
			foreign := func(m corev1.VolumeMount) bool { return m.Name != "program" }
			if ours := len(step.Command) > 0 && step.Command[0] == "/copytrigger"; ours &&
				(step.EnvFrom != nil || slices.ContainsFunc(step.VolumeMounts, foreign) || step.Workspaces != nil) {
				problems = append(problems, name+": sees what is the user's")
			}
		}
		for key, want := range map[string]string{
			"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
			"karpenter.sh/do-not-disrupt":                    "true",
		} {
			if task.Annotations[key] != want {
				problems = append(problems, task.Name+": annotation "+key+" is not "+want)
			}
		}
	}
	return problems
}

func TestPods(t *testing.T) { yamltest.None(t, badPods(applied(t))) }

func TestBadPodsAreSeen(t *testing.T) {
	no, yes, user := false, true, int64(65532)
	for says, change := range map[string]func(*v1.Step, *corev1.SecurityContext){
		"PrivilegeEscalation is not":    func(_ *v1.Step, c *corev1.SecurityContext) { c.AllowPrivilegeEscalation = &yes },
		"runAsNonRoot is not":           func(_ *v1.Step, c *corev1.SecurityContext) { c.RunAsNonRoot = nil },
		"readOnlyRootFilesystem is not": func(_ *v1.Step, c *corev1.SecurityContext) { c.ReadOnlyRootFilesystem = &no },
		"capabilities are kept":         func(_ *v1.Step, c *corev1.SecurityContext) { c.Capabilities = nil },
		"seccompProfile is not":         func(_ *v1.Step, c *corev1.SecurityContext) { c.SeccompProfile = nil },
		"runAsUser is set":              func(_ *v1.Step, c *corev1.SecurityContext) { c.RunAsUser = &user },
	} {
		for _, which := range []string{"template", "action"} {
			s := applied(t)
			task := s.tasks["quiesced-copy"]
			context := task.Spec.StepTemplate.SecurityContext
			if which == "action" {
				context = s.actions["copytrigger-verdict"].Spec.SecurityContext
				// Or the template would make up for it.
				task.Spec.StepTemplate.SecurityContext = nil
			}
			change(&task.Spec.Steps[0], context)
			yamltest.Some(t, badPods(s), says)
		}
	}
	s := applied(t)
	task := s.tasks["quiesced-copy"]
	task.Annotations = nil
	task.Spec.StepTemplate.ImagePullPolicy = corev1.PullAlways
	task.Spec.StepTemplate.ComputeResources = corev1.ResourceRequirements{
		Limits: task.Spec.StepTemplate.ComputeResources.Requests,
	}
	task.Spec.Steps[0].EnvFrom = task.Spec.Steps[slices.Index(freezeOrder, "quiesce")].EnvFrom
	for _, says := range []string{"safe-to-evict", "is pulled", "has limits", "of memory", "the user's"} {
		yamltest.Some(t, badPods(s), says)
	}
}

// images are the images that the YAML names itself, also where a parameter is not given.
func images(s *shipped) []string {
	found := map[string]bool{}
	of := func(params v1.ParamSpecs) {
		for _, p := range params {
			if strings.HasSuffix(p.Name, "image") {
				found[p.Default.StringVal] = true
			}
		}
	}
	for _, p := range s.pipelines {
		of(p.Spec.Params)
	}
	for _, a := range s.actions {
		found[a.Spec.Image] = true
	}
	for _, task := range s.tasks {
		of(task.Spec.Params)
		for _, step := range task.Spec.Steps {
			found[step.Image] = true
		}
		for _, sidecar := range task.Spec.Sidecars {
			found[sidecar.Image] = true
		}
	}
	maps.DeleteFunc(found, func(image string, _ bool) bool { return image == "" || strings.HasPrefix(image, "$(params.") })
	return slices.Sorted(maps.Keys(found))
}

// There is one image, with its tag, and one place that says which.
func TestOneImage(t *testing.T) {
	full := regexp.MustCompile(`^ghcr\.io/copytrigger/copytrigger:v[0-9.]+$`)
	got := images(applied(t))
	if len(got) != 1 || !full.MatchString(got[0]) {
		t.Errorf("the images are %q", got)
	}
	for _, name := range files(t) {
		if strings.HasPrefix(name, "examples/") {
			continue // a user's, with an image of the user's
		}
		got := images(read(t, name))
		if strings.HasPrefix(name, "stepaction/") && len(got) == 0 || len(got) > 1 ||
			len(got) == 1 && got[0] != "copytrigger" {
			t.Errorf("%s: the images are %q", name, got)
		}
	}
}

// The overlay sets all that a user has to set, and nothing else is of another application.
func TestOverlay(t *testing.T) {
	fs := filesys.MakeFsInMemory()
	yamltest.Must(t, fs.WriteFile("/tasks/kustomization.yaml", yamltest.Text(t, "kustomization.yaml")))
	yamltest.WriteImages(t, fs)
	for _, name := range []string{"kustomizeconfig.yaml", "kustomizereplacements.yaml"} {
		yamltest.Must(t, fs.WriteFile("/app/"+name, yamltest.Text(t, "examples/app/"+name)))
	}
	yamltest.Must(t, fs.WriteFile("/tasks/kustomizereplacements.yaml", yamltest.Text(t, "kustomizereplacements.yaml")))
	for _, name := range files(t) {
		yamltest.Must(t, fs.WriteFile("/tasks/"+name, yamltest.Text(t, name)))
	}
	const remote = "https://github.com/copytrigger/copytrigger//tasks?ref=v0.1.0"
	overlay := strings.Replace(string(yamltest.Text(t, "examples/app/kustomization.yaml")), remote, "../tasks", 1)
	yamltest.Must(t, fs.WriteFile("/app/kustomization.yaml", []byte(overlay)))
	got := kustomized(t, fs, "/app")
	if all := images(got); len(all) != 1 || !strings.HasPrefix(all[0], "registry.shop.example/") {
		t.Errorf("the images are %q", all)
	}
	for _, o := range everything(got) {
		if o.GetNamespace() != "shop" {
			t.Errorf("%s is in namespace %q", o.GetName(), o.GetNamespace())
		}
	}
	rules := got.roles[0].Rules
	if names := slices.Concat(rules[0].ResourceNames, rules[2].ResourceNames, rules[3].ResourceNames); !slices.Equal(
		names,
		[]string{"orders", "volsync-nightly-src", "volsync-nightly-src"},
	) {
		t.Errorf("the Role is for %q", names)
	}
	for _, s := range binding(t, got).Subjects {
		if s.Namespace != "shop" {
			t.Errorf("the RoleBinding is for namespace %q", s.Namespace)
		}
	}
}

func everything(s *shipped) []metav1.Object {
	all := slices.Clone(s.others)
	for _, o := range s.actions {
		all = append(all, o)
	}
	for _, o := range s.tasks {
		all = append(all, o)
	}
	for _, o := range s.pipelines {
		all = append(all, o)
	}
	for _, o := range s.roles {
		all = append(all, o)
	}
	return all
}
