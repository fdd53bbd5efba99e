package workflows

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	wfv1 "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/internal/yamltest"
)

var diskFS = filesys.MakeFsOnDisk()

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// all are the containers of a template, its init containers first.
func all(tmpl *wfv1.Template) []corev1.Container {
	var found []corev1.Container
	for _, c := range tmpl.InitContainers {
		found = append(found, c.Container)
	}
	if tmpl.Container != nil {
		found = append(found, *tmpl.Container)
	}
	if tmpl.ContainerSet != nil {
		for _, c := range tmpl.ContainerSet.Containers {
			found = append(found, c.Container)
		}
	}
	return found
}

// badPods is what Pod Security "restricted", a read-only root or a drain have against the
// pods of templates.
func badPods(s *shipped) []string {
	var problems []string
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	for _, o := range s.templates {
		for _, tmpl := range o.Spec.Templates {
			if len(all(&tmpl)) == 0 {
				continue
			}
			say := func(ok bool, what string) {
				if !ok {
					problems = append(problems, o.Name+"/"+tmpl.Name+": "+what)
				}
			}
			p := tmpl.SecurityContext
			say(
				p != nil && is(p.RunAsNonRoot, true) && p.SeccompProfile != nil &&
					p.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
				"the pod is not restricted",
			)
			say(tmpl.ServiceAccountName == "copytrigger", "the account is not ours")
			a := tmpl.Metadata.Annotations
			say(
				a["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false" && a["karpenter.sh/do-not-disrupt"] == "true",
				"may be moved",
			)
			for _, c := range all(&tmpl) {
				say := func(ok bool, what string) { say(ok, c.Name+": "+what) }
				sc := c.SecurityContext
				if sc == nil {
					say(false, "no securityContext")
					continue
				}
				say(is(sc.AllowPrivilegeEscalation, false), "allowPrivilegeEscalation is not false")
				say(is(sc.RunAsNonRoot, true), "runAsNonRoot is not true")
				say(is(sc.ReadOnlyRootFilesystem, true), "readOnlyRootFilesystem is not true")
				say(
					sc.Capabilities != nil && slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) &&
						sc.Capabilities.Add == nil,
					"capabilities are kept",
				)
				say(
					sc.SeccompProfile != nil && sc.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
					"seccompProfile is not RuntimeDefault",
				)
				say(sc.RunAsUser == nil, "runAsUser is set")
				say(c.Resources.Limits == nil, "has limits")
				m := c.Resources.Requests.Memory()
				say(!m.IsZero() && m.Value() <= 64<<20, "asks for too much memory")
				say(c.ImagePullPolicy == corev1.PullIfNotPresent, "is pulled when it is there")
				say(len(c.Command) > 0, "has no command: Argo asks a registry")
				ours := !strings.HasPrefix(c.Image, "{{")
				say(!ours || c.EnvFrom == nil && (c.Env == nil || c.Args[0] == "exec"), "sees what is the user's")
			}
		}
	}
	return problems
}

func TestPods(t *testing.T) { yamltest.None(t, badPods(applied(t))) }

func TestBadPodsAreSeen(t *testing.T) {
	no, yes, user := false, true, int64(65532)
	for says, change := range map[string]func(*wfv1.Template, *corev1.Container){
		"the pod is not restricted": func(p *wfv1.Template, _ *corev1.Container) { p.SecurityContext = nil },
		"the account is not ours":   func(p *wfv1.Template, _ *corev1.Container) { p.ServiceAccountName = "" },
		"may be moved":              func(p *wfv1.Template, _ *corev1.Container) { p.Metadata.Annotations = nil },
		"no securityContext":        func(_ *wfv1.Template, c *corev1.Container) { c.SecurityContext = nil },
		"PrivilegeEscalation is not": func(_ *wfv1.Template, c *corev1.Container) {
			c.SecurityContext.AllowPrivilegeEscalation = &yes
		},
		"runAsNonRoot is not": func(_ *wfv1.Template, c *corev1.Container) { c.SecurityContext.RunAsNonRoot = nil },
		"readOnlyRootFilesystem is not": func(_ *wfv1.Template, c *corev1.Container) {
			c.SecurityContext.ReadOnlyRootFilesystem = &no
		},
		"capabilities are kept":   func(_ *wfv1.Template, c *corev1.Container) { c.SecurityContext.Capabilities = nil },
		"seccompProfile is not":   func(_ *wfv1.Template, c *corev1.Container) { c.SecurityContext.SeccompProfile = nil },
		"runAsUser is set":        func(_ *wfv1.Template, c *corev1.Container) { c.SecurityContext.RunAsUser = &user },
		"has limits":              func(_ *wfv1.Template, c *corev1.Container) { c.Resources.Limits = c.Resources.Requests },
		"too much memory":         func(_ *wfv1.Template, c *corev1.Container) { c.Resources.Requests = nil },
		"is pulled when":          func(_ *wfv1.Template, c *corev1.Container) { c.ImagePullPolicy = corev1.PullAlways },
		"has no command":          func(_ *wfv1.Template, c *corev1.Container) { c.Command = nil },
		"sees what is the user's": func(_ *wfv1.Template, c *corev1.Container) { c.Env = []corev1.EnvVar{{}} },
	} {
		s := applied(t)
		tmpl := templateOf(t, s, "freeze")
		change(tmpl, &tmpl.ContainerSet.Containers[1].Container)
		yamltest.Some(t, badPods(s), says)
	}
}

// images are the images that templates name themselves, also where a parameter is not given.
func images(templates map[string]*wfv1.WorkflowTemplate) []string {
	var found []string
	for _, o := range templates {
		for _, p := range o.Spec.Arguments.Parameters {
			if strings.HasSuffix(p.Name, "image") && !slices.Contains(found, p.Value.String()) {
				found = append(found, p.Value.String())
			}
		}
		for _, tmpl := range o.Spec.Templates {
			for _, c := range all(&tmpl) {
				if !strings.HasPrefix(c.Image, "{{") && !slices.Contains(found, c.Image) {
					found = append(found, c.Image)
				}
			}
		}
	}
	return found
}

// There is one image, with its tag, and one place that says which.
func TestOneImage(t *testing.T) {
	full := regexp.MustCompile(`^ghcr\.io/copytrigger/copytrigger:v[0-9.]+$`)
	if got := images(applied(t).templates); len(got) != 1 || !full.MatchString(got[0]) {
		t.Errorf("the images are %q", got)
	}
	for _, name := range []string{
		"templates/copytrigger/manifests.yaml",
		"templates/quiesced-copy/manifests.yaml",
		"templates/quiesced-copy-run/manifests.yaml",
	} {
		if got := images(read(t, name).templates); !slices.Equal(got, []string{"copytrigger"}) {
			t.Errorf("%s: the images are %q", name, got)
		}
	}
}

// Argo makes no volume that only one container of a set mounts (v3.7.4, workflowpod.go,
// addVolumeReferences), and every path that is written is in one.
func TestVolumes(t *testing.T) {
	for _, o := range applied(t).templates {
		for _, tmpl := range o.Spec.Templates {
			yamltest.None(t, badVolumes(&tmpl))
		}
	}
	tmpl := templateOf(t, applied(t), "freeze")
	tmpl.ContainerSet.Containers[0].VolumeMounts = tmpl.ContainerSet.VolumeMounts[:1]
	yamltest.Some(t, badVolumes(tmpl), "a volume of its own")
	tmpl.ContainerSet.VolumeMounts[0].Name = "none"
	yamltest.Some(t, badVolumes(tmpl), `no volume "none"`)
}

func badVolumes(tmpl *wfv1.Template) []string {
	var problems []string
	for _, m := range tmpl.GetVolumeMounts() {
		if !slices.ContainsFunc(tmpl.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			problems = append(problems, fmt.Sprintf("%s: no volume %q", tmpl.Name, m.Name))
		}
	}
	if tmpl.ContainerSet != nil {
		for _, c := range tmpl.ContainerSet.Containers {
			if len(c.VolumeMounts) > 0 {
				problems = append(problems, c.Name+": has a volume of its own")
			}
		}
	}
	return problems
}

// The overlay sets all that a user has to set.
func TestOverlay(t *testing.T) {
	fs := filesys.MakeFsInMemory()
	yamltest.WriteImages(t, fs)
	for _, name := range append(files(t), "kustomization.yaml", "templates/kustomization.yaml") {
		yamltest.Must(t, fs.WriteFile("/workflows/"+name, yamltest.Text(t, name)))
	}
	const remote = "https://github.com/copytrigger/copytrigger//workflows?ref=v0.1.0"
	overlay := strings.Replace(string(yamltest.Text(t, "examples/app/kustomization.yaml")), remote, "../workflows", 1)
	yamltest.Must(t, fs.WriteFile("/app/kustomization.yaml", []byte(overlay)))
	yamltest.Must(t, fs.WriteFile("/app/kustomizeconfig.yaml", yamltest.Text(t, "examples/app/kustomizeconfig.yaml")))
	got := kustomized(t, fs, "/app")
	if all := images(got.templates); len(all) != 1 || !strings.HasPrefix(all[0], "registry.shop.example/") {
		t.Errorf("the images are %q", all)
	}
	for name, o := range got.templates {
		if o.Namespace != "shop" {
			t.Errorf("%s is in namespace %q", name, o.Namespace)
		}
	}
	rules := got.roles[0].Rules
	if names := slices.Concat(rules[0].ResourceNames, rules[2].ResourceNames, rules[3].ResourceNames); !slices.Equal(
		names,
		[]string{"orders", "volsync-nightly-src", "volsync-nightly-src"},
	) {
		t.Errorf("the Role is for %q", names)
	}
	if subject := got.bindings[0].Subjects[0]; subject.Namespace != "shop" {
		t.Errorf("the RoleBinding is for %v", subject)
	}
}

// The files name by aliases what several containers have. An overlay that patches one of them
// leaves the others alone.
func TestPatchOfOneContainer(t *testing.T) {
	fs := filesys.MakeFsInMemory()
	yamltest.WriteImages(t, fs)
	for _, name := range append(files(t), "kustomization.yaml", "templates/kustomization.yaml") {
		yamltest.Must(t, fs.WriteFile("/workflows/"+name, yamltest.Text(t, name)))
	}
	yamltest.Must(t, fs.WriteFile("/app/kustomization.yaml", []byte(`resources: [../workflows]
patches:
  - target: {kind: WorkflowTemplate, name: quiesced-copy}
    patch: |-
      - op: add
        path: /spec/templates/0/containerSet/containers/2/securityContext/runAsUser
        value: 70
`)))
	tmpl := templateOf(t, kustomized(t, fs, "/app"), "freeze")
	if c := tmpl.ContainerSet.Containers[2]; c.Name != "quiesce" || *c.SecurityContext.RunAsUser != 70 {
		t.Errorf("%s: %v", c.Name, c.SecurityContext)
	}
	for _, c := range all(tmpl) {
		if c.Name != "quiesce" && c.SecurityContext.RunAsUser != nil {
			t.Errorf("%s has the user of quiesce", c.Name)
		}
	}
}
