// Package jobs is plain Kubernetes: a CronJob, and here its tests, with Kubernetes' types.
package jobs

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/internal/cli"
	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// shipped is what some YAML says.
type shipped struct {
	account *corev1.ServiceAccount
	role    *rbacv1.Role
	binding *rbacv1.RoleBinding
	cron    *batchv1.CronJob
	budget  *policyv1.PodDisruptionBudget
	job     *batchv1.Job // of an example

	cleanup struct { // what it needs beside these
		role    *rbacv1.Role
		binding *rbacv1.RoleBinding
	}
}

// decode reads YAML documents, strictly, and one of a kind, but for the rights of the cleanup.
func decode(text []byte) (*shipped, error) {
	s := &shipped{
		account: &corev1.ServiceAccount{},
		role:    &rbacv1.Role{},
		binding: &rbacv1.RoleBinding{},
		cron:    &batchv1.CronJob{},
		budget:  &policyv1.PodDisruptionBudget{},
		job:     &batchv1.Job{},
	}
	kinds := map[string]metav1.Object{
		"v1 ServiceAccount":                        s.account,
		"rbac.authorization.k8s.io/v1 Role":        s.role,
		"rbac.authorization.k8s.io/v1 RoleBinding": s.binding,
		"batch/v1 CronJob":                         s.cron,
		"policy/v1 PodDisruptionBudget":            s.budget,
		"batch/v1 Job":                             s.job,
	}
	s.cleanup.role, s.cleanup.binding = &rbacv1.Role{}, &rbacv1.RoleBinding{}
	second := map[string]metav1.Object{
		"rbac.authorization.k8s.io/v1 Role": s.cleanup.role, "rbac.authorization.k8s.io/v1 RoleBinding": s.cleanup.binding,
	}
	_, err := yamltest.Decode(text, func(kind string) metav1.Object {
		o := kinds[kind]
		delete(kinds, kind) // another one is no kind that may be in it
		if more, is := second[kind]; is {
			kinds[kind] = more
			delete(second, kind)
		}
		return o
	})
	return s, err
}

func kustomized(t *testing.T, fs filesys.FileSystem, dir string) *shipped {
	t.Helper()
	s, err := decode(yamltest.Rendered(t, fs, dir))
	yamltest.Must(t, err)
	return s
}

// applied is what `kubectl apply -k jobs/` applies.
func applied(t *testing.T) *shipped { t.Helper(); return kustomized(t, filesys.MakeFsOnDisk(), ".") }

// example is the Job in a file of examples.
func example(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	s, err := decode(yamltest.Text(t, "examples/"+name))
	yamltest.Must(t, err)
	return s.job
}

// specs are those of all Jobs, by what they are in.
func specs(t *testing.T) map[string]batchv1.JobSpec {
	t.Helper()
	return map[string]batchv1.JobSpec{
		"cronjob.yaml": applied(t).cron.Spec.JobTemplate.Spec,
		"hold.yaml":    example(t, "hold.yaml").Spec,
		"cleanup.yaml": example(t, "cleanup.yaml").Spec,
	}
}

func TestTyposAreSeen(t *testing.T) {
	b := yamltest.Text(t, "cronjob.yaml")
	for _, typo := range [][2]string{
		{"backoffLimit:", "retries:"},
		{"restartPolicy:", "restart:"},
		{"fieldPath:", "path:"},
		{"minAvailable:", "minAvail:"},
	} {
		if _, err := decode(bytes.Replace(b, []byte(typo[0]), []byte(typo[1]), 1)); err == nil {
			t.Errorf("%s is a field", typo[1])
		}
	}
}

// After attempts that are killed each time the last one is to be one that lets go: every
// second one is. And the Job must not end while one of them can still come.
func badLimits(spec batchv1.JobSpec) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	pod := spec.Template.Spec
	say(pod.RestartPolicy == corev1.RestartPolicyOnFailure, "an attempt that was killed is not repeated at once")
	say(
		spec.BackoffLimit != nil && *spec.BackoffLimit >= 3 && *spec.BackoffLimit%2 == 1,
		"the last attempt is none that lets go",
	)
	say(spec.PodReplacementPolicy != nil && *spec.PodReplacementPolicy == batchv1.Failed, "two pods at once")
	say(spec.PodFailurePolicy == nil, "a podFailurePolicy needs another restartPolicy")
	var attempt time.Duration
	for _, limit := range []string{"timeout", "max-freeze", "unquiesce-timeout", "copy-timeout"} {
		d, err := time.ParseDuration(flag(pod.Containers[0].Args, limit))
		say(err == nil && d > 0, "no limit --"+limit)
		if limit != "copy-timeout" { // within max-freeze
			attempt += d
		}
	}
	if spec.BackoffLimit != nil && spec.ActiveDeadlineSeconds != nil {
		all := time.Duration(*spec.BackoffLimit) * attempt
		say(
			time.Duration(*spec.ActiveDeadlineSeconds)*time.Second > all,
			fmt.Sprintf("attempts of %s do not fit into activeDeadlineSeconds", all),
		)
	}
	say(
		pod.TerminationGracePeriodSeconds != nil && *pod.TerminationGracePeriodSeconds >= 60,
		"no time to let go after a SIGTERM",
	)
	return problems
}

func flag(args []string, name string) string {
	for _, a := range args {
		if v, is := strings.CutPrefix(a, "--"+name+"="); is {
			return v
		}
	}
	return ""
}

func TestLimits(t *testing.T) {
	yamltest.None(t, badLimits(specs(t)["cronjob.yaml"]))
	yamltest.None(t, badLimits(specs(t)["hold.yaml"]))
	cron := applied(t).cron.Spec
	if cron.ConcurrencyPolicy != batchv1.ForbidConcurrent || cron.TimeZone == nil || cron.StartingDeadlineSeconds == nil {
		t.Errorf("the CronJob is %+v", cron)
	}
	for says, change := range map[string]func(*batchv1.JobSpec){
		"is not repeated":         func(s *batchv1.JobSpec) { s.Template.Spec.RestartPolicy = corev1.RestartPolicyNever },
		"the last attempt":        func(s *batchv1.JobSpec) { *s.BackoffLimit = 4 },
		"two pods":                func(s *batchv1.JobSpec) { s.PodReplacementPolicy = nil },
		"a podFailurePolicy":      func(s *batchv1.JobSpec) { s.PodFailurePolicy = &batchv1.PodFailurePolicy{} },
		"do not fit":              func(s *batchv1.JobSpec) { *s.ActiveDeadlineSeconds = 3600 },
		"no time to let go":       func(s *batchv1.JobSpec) { s.Template.Spec.TerminationGracePeriodSeconds = nil },
		"no limit --copy-timeout": func(s *batchv1.JobSpec) { s.Template.Spec.Containers[0].Args = []string{"run"} },
	} {
		spec := specs(t)["cronjob.yaml"]
		change(&spec)
		yamltest.Some(t, badLimits(spec), says)
	}
}

// badPod is what Pod Security "restricted", a read-only root or a drain have against a pod.
func badPod(template corev1.PodTemplateSpec) []string {
	var problems []string
	say := func(ok bool, what string) {
		if !ok {
			problems = append(problems, what)
		}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	spec, a := template.Spec, template.Annotations
	say(
		a["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false" && a["karpenter.sh/do-not-disrupt"] == "true",
		"may be moved",
	)
	say(spec.ServiceAccountName == "copytrigger", "the account is not ours")
	p := spec.SecurityContext
	say(
		p != nil && is(p.RunAsNonRoot, true) && p.SeccompProfile != nil &&
			p.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"the pod is not restricted",
	)
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		say := func(ok bool, what string) { say(ok, c.Name+": "+what) }
		sc := c.SecurityContext
		if sc == nil {
			say(false, "no securityContext")
			continue
		}
		say(is(sc.AllowPrivilegeEscalation, false), "allowPrivilegeEscalation is not false")
		say(is(sc.RunAsNonRoot, true) && sc.RunAsUser == nil, "its user")
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
		say(c.Resources.Limits == nil && !c.Resources.Requests.Memory().IsZero(), "its memory")
		for _, m := range c.VolumeMounts {
			say(
				slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }),
				"there is no volume "+m.Name,
			)
		}
	}
	return problems
}

func TestPods(t *testing.T) {
	for name, spec := range specs(t) {
		t.Run(name, func(t *testing.T) { yamltest.None(t, badPod(spec.Template)) })
	}
	no, yes := false, true
	for says, change := range map[string]func(*corev1.PodTemplateSpec, *corev1.Container){
		"may be moved":       func(p *corev1.PodTemplateSpec, _ *corev1.Container) { p.Annotations = nil },
		"the account is":     func(p *corev1.PodTemplateSpec, _ *corev1.Container) { p.Spec.ServiceAccountName = "" },
		"the pod is not":     func(p *corev1.PodTemplateSpec, _ *corev1.Container) { p.Spec.SecurityContext = nil },
		"no securityContext": func(_ *corev1.PodTemplateSpec, c *corev1.Container) { c.SecurityContext = nil },
		"allowPrivilegeEscalation": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.SecurityContext.AllowPrivilegeEscalation = &yes
		},
		"its user": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.SecurityContext.RunAsNonRoot = &no
		},
		"readOnlyRootFilesystem is not": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.SecurityContext.ReadOnlyRootFilesystem = nil
		},
		"capabilities": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities = nil
		},
		"seccompProfile": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.SecurityContext.SeccompProfile = nil
		},
		"its memory": func(_ *corev1.PodTemplateSpec, c *corev1.Container) {
			c.Resources.Limits = c.Resources.Requests
		},
		"there is no volume": func(p *corev1.PodTemplateSpec, _ *corev1.Container) { p.Spec.Volumes = nil },
	} {
		template := specs(t)["cronjob.yaml"].Template
		change(&template, &template.Spec.Containers[0])
		yamltest.Some(t, badPod(template), says)
	}
}

// Nobody drains the node under the pod, and the budget is of these pods and no others.
func TestBudget(t *testing.T) {
	s := applied(t)
	labels := s.cron.Spec.JobTemplate.Spec.Template.Labels
	if b := s.budget.Spec; b.MinAvailable.IntValue() < 1 || len(labels) == 0 ||
		!reflect.DeepEqual(b.Selector.MatchLabels, labels) {
		t.Errorf("the budget is %+v, of pods with %v", b, labels)
	}
	if reflect.DeepEqual(specs(t)["cleanup.yaml"].Template.Labels, labels) {
		t.Error("the cleanup counts for the budget")
	}
}

const (
	uid     = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	program = "/opt/copytrigger/copytrigger"
)

// wrong is what the program says against a container, given a server that forbids all.
func wrong(t *testing.T, c corev1.Container) []string {
	t.Helper()
	var problems []string
	if !slices.Equal(c.Command, []string{program}) {
		problems = append(problems, fmt.Sprintf("the program is %q", c.Command))
	}
	var help bytes.Buffer
	cli.Main([]string{"copytrigger", c.Args[0], "--help"}, cli.Build{}, &help, &help)
	args := slices.Clone(c.Args)
	for _, e := range c.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil &&
			from.FieldRef.FieldPath == "metadata.labels['batch.kubernetes.io/controller-uid']" {
			value = uid
		}
		if strings.HasSuffix(e.Name, "QUIESCE") || strings.HasSuffix(e.Name, "HOLD") {
			value = "true"
		}
		if !strings.Contains(help.String(), "$"+e.Name) {
			problems = append(problems, "the program does not know "+e.Name)
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$("+e.Name+")", value)
		}
		t.Setenv(e.Name, value)
	}
	problems = append(problems, yamltest.Misread(append([]string{program}, args...))...)
	if strings.Contains(strings.Join(args, " "), "$(") {
		problems = append(problems, fmt.Sprintf("nobody fills in %q", args))
	}
	return problems
}

// The program takes the command lines and the environment, and the run has an id that is
// the same in all its pods.
func TestCommandLines(t *testing.T) {
	yamltest.Answering(t, http.StatusForbidden)
	for name, spec := range specs(t) {
		t.Run(name, func(t *testing.T) {
			c := spec.Template.Spec.Containers[0]
			id := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "COPYTRIGGER_RUN_ID" })
			if name == "cleanup.yaml" {
				yamltest.Some(t, wrong(t, c), "--run-id is empty") // the file has none, and is refused as it is
				c.Env[id].Value = uid
			} else if c.Env[id].ValueFrom == nil {
				t.Error("no run id of the Job's")
			}
			yamltest.None(t, wrong(t, c))
			c.Args = append(c.Args, "--no-such-flag")
			yamltest.Some(t, wrong(t, c), "no-such-flag")
			c.Args = []string{"verdict", "--step=await-completed=$(NONE)"}
			got := wrong(t, c)
			yamltest.Some(t, got, "nobody fills in")
			yamltest.Some(t, got, "does not know COPYTRIGGER_PVC")
		})
	}
}

// The Jobs are the same, but for what they do.
func TestExamplesAreTheSame(t *testing.T) {
	want := specs(t)["cronjob.yaml"]
	for name, spec := range specs(t) {
		pod, wanted := spec.Template.Spec, want.Template.Spec
		pod.InitContainers[0].Image = wanted.InitContainers[0].Image // set in the kustomization
		for _, p := range []*corev1.PodSpec{&pod, &wanted} {
			p.Containers = slices.Clone(p.Containers)
			c := &p.Containers[0]
			c.Name, c.Args, c.Env = "", nil, nil
		}
		if !reflect.DeepEqual(pod, wanted) {
			t.Errorf("%s has\n%+v\nthe CronJob\n%+v", name, pod, wanted)
		}
		if install := pod.InitContainers[0]; !slices.Equal(
			install.Command,
			[]string{"/copytrigger", "install", filepath.Dir(program)},
		) {
			t.Errorf("%s installs by %q", name, install.Command)
		}
	}
}

// There is one image of ours, with its tag, and one place that says which.
func TestOneImage(t *testing.T) {
	full := regexp.MustCompile(`^ghcr\.io/copytrigger/copytrigger:v[0-9.]+$`)
	if got := applied(t).cron.Spec.JobTemplate.Spec.Template.Spec.InitContainers[0].Image; !full.MatchString(got) {
		t.Errorf("the image is %s", got)
	}
	raw, err := decode(yamltest.Text(t, "cronjob.yaml"))
	yamltest.Must(t, err)
	if got := raw.cron.Spec.JobTemplate.Spec.Template.Spec.InitContainers[0].Image; got != "copytrigger" {
		t.Errorf("the file names an image itself: %s", got)
	}
}

// The rights are those that docs/getting-started.md asks for, and no more; only the cleanup may list pods.
func TestRole(t *testing.T) {
	s := applied(t)
	yamltest.None(t, yamltest.OtherThan(s.role.Rules, yamltest.Documented(t, "../docs/getting-started.md")))
	yamltest.None(t, yamltest.OtherThan(s.cleanup.role.Rules, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}},
	}))
	if s.cleanup.binding.RoleRef.Name != s.cleanup.role.Name {
		t.Errorf("the cleanup's RoleBinding is for %v", s.cleanup.binding.RoleRef)
	}
	if b := s.binding; len(b.Subjects) != 1 || b.Subjects[0].Name != s.account.Name || b.RoleRef.Name != s.role.Name ||
		s.account.Name != "copytrigger" {
		t.Errorf("the RoleBinding is of %v for %v", b.RoleRef, b.Subjects)
	}
}

// The overlay sets all that a user has to set.
func TestOverlay(t *testing.T) {
	fs := filesys.MakeFsInMemory()
	yamltest.WriteImages(t, fs)
	for _, name := range []string{"kustomization.yaml", "rbac.yaml", "cronjob.yaml"} {
		yamltest.Must(t, fs.WriteFile("/jobs/"+name, yamltest.Text(t, name)))
	}
	const remote = "https://github.com/copytrigger/copytrigger//jobs?ref=v0.1.0"
	overlay := strings.Replace(string(yamltest.Text(t, "examples/app/kustomization.yaml")), remote, "../jobs", 1)
	yamltest.Must(t, fs.WriteFile("/app/kustomization.yaml", []byte(overlay)))
	s := kustomized(t, fs, "/app")
	pod := s.cron.Spec.JobTemplate.Spec.Template.Spec
	for _, image := range []string{pod.InitContainers[0].Image, pod.Containers[0].Image} {
		if !strings.HasPrefix(image, "registry.shop.example/") {
			t.Errorf("an image is %s", image)
		}
	}
	env := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil {
			env[e.Name] = e.ValueFrom.FieldRef.FieldPath
		}
	}
	if len(env) != 4 || env["COPYTRIGGER_PVC"] != "orders" || !strings.HasPrefix(env["COPYTRIGGER_QUIESCE"], "sh ") ||
		env["COPYTRIGGER_RUN_ID"] == "" {
		t.Errorf("the environment is %v", env)
	}
	for _, o := range []metav1.Object{s.account, s.role, s.binding, s.cron, s.budget} {
		if o.GetNamespace() != "shop" {
			t.Errorf("%s is in namespace %q", o.GetName(), o.GetNamespace())
		}
	}
	rules := s.role.Rules
	if names := slices.Concat(rules[0].ResourceNames, rules[2].ResourceNames, rules[3].ResourceNames); !slices.Equal(
		names,
		[]string{"orders", "volsync-nightly-src", "volsync-nightly-src"},
	) {
		t.Errorf("the Role is for %q", names)
	}
	if s.binding.Subjects[0].Namespace != "shop" {
		t.Errorf("the RoleBinding is for %v", s.binding.Subjects[0])
	}
}

// What the README, and docs/getting-started.md, set in the CronJob is there to be set: its name, that
// of the container, and the environment.
// What is shipped for the engines can be applied to one namespace, in any order: what has the same name is
// the same, and so nothing takes a right from anything else.
func TestAppliedTogether(t *testing.T) {
	disk, all, shared := filesys.MakeFsOnDisk(), map[string]string{}, 0
	differ := func(docs string) (problems []string) {
		for _, doc := range strings.Split(docs, "\n---\n") {
			var o metav1.PartialObjectMetadata
			yamltest.Must(t, yaml.Unmarshal([]byte(doc), &o))
			key := o.Kind + "/" + o.Name
			if was, is := all[key]; is {
				shared++
				if strings.TrimSpace(was) != strings.TrimSpace(doc) {
					problems = append(problems, key+" differs")
				}
			}
			all[key] = doc
		}
		return problems
	}
	for _, dir := range []string{"../tasks", "../workflows", "../jobs"} {
		yamltest.None(t, differ(string(yamltest.Rendered(t, disk, dir))))
	}
	if want := len([]string{"the account in workflows", "the account in jobs"}); shared != want {
		t.Errorf("%d objects have the name of another, want %d", shared, want)
	}
	lesser := strings.NewReplacer("name: copytrigger-jobs\n", "name: copytrigger\n", "  - patch\n", "")
	yamltest.Some(t, differ(lesser.Replace(string(yamltest.Rendered(t, disk, "../jobs")))), "Role/copytrigger differs")
}

func TestReadmesExample(t *testing.T) {
	c := applied(t).cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	for _, page := range []string{"../README.md", "../docs/getting-started.md"} {
		text := string(yamltest.Text(t, page))
		if n := strings.Count(text, "set image cronjob/"+applied(t).cron.Name+" "+c.Name+"="); n != 1 {
			t.Errorf("%s sets the image of the container %d times", page, n)
		}
		_, set, _ := strings.Cut(text, "set env cronjob/"+applied(t).cron.Name+" ")
		set, _, _ = strings.Cut(set, "kubectl")
		names := regexp.MustCompile(`COPYTRIGGER_\w+`).FindAllString(set, -1)
		if len(names) < 2 {
			t.Errorf("%s sets %q", page, names)
		}
		for _, name := range names {
			if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name }) {
				t.Errorf("%s sets %s, which the CronJob has not", page, name)
			}
		}
	}
}

// Every file that the README names is there.
func TestReadmeNamesFiles(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(yamltest.Text(t, "README.md")), -1)
	if len(links) < 3 {
		t.Fatalf("only %d links", len(links))
	}
	for _, m := range links {
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
}
