// Package recipes is YAML for the databases that people have, and here the tests that it is
// what Kubernetes and the program understand. test/recipes runs it.
package recipes

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/cli"
	"github.com/copytrigger/copytrigger/internal/yamltest"
)

const image = "ghcr.io/copytrigger/copytrigger:v0.1.0" // that of images/kustomization.yaml: release/

// example is what one file has.
type example struct {
	crons    []batchv1.CronJob
	scripts  corev1.ConfigMap
	secret   corev1.Secret
	account  corev1.ServiceAccount
	roles    []rbacv1.Role
	bindings []rbacv1.RoleBinding
}

// decode reads YAML documents, strictly.
func decode(text []byte) (*example, error) {
	x := &example{}
	_, err := yamltest.Decode(text, func(kind string) metav1.Object {
		switch kind {
		case "batch/v1 CronJob":
			return one(&x.crons)
		case "rbac.authorization.k8s.io/v1 Role":
			return one(&x.roles)
		case "rbac.authorization.k8s.io/v1 RoleBinding":
			return one(&x.bindings)
		case "v1 ConfigMap":
			return &x.scripts
		case "v1 Secret":
			return &x.secret
		case "v1 ServiceAccount":
			return &x.account
		case "v1 PersistentVolumeClaim":
			return &corev1.PersistentVolumeClaim{}
		}
		return nil
	})
	return x, err
}

// one is one more of them. Decode has read the one before when it asks for the next.
func one[T any](all *[]T) *T {
	*all = append(*all, *new(T))
	return &(*all)[len(*all)-1]
}

// each runs a test for each file.
func each(t *testing.T, test func(t *testing.T, name string, x *example)) {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".yaml")
		t.Run(name, func(t *testing.T) {
			x, err := decode(yamltest.Text(t, file))
			if err != nil {
				t.Fatal(err)
			}
			test(t, name, x)
		})
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Secret\nstringDates: {}",
		"apiVersion: v1\nkind: Pod",
		"kind: Secret\nkind: Secret",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}

func (x *example) pod() *corev1.PodSpec { return &x.crons[0].Spec.JobTemplate.Spec.Template.Spec }

// One CronJob, one pod at a time, and the program put into it.
func TestCronJobs(t *testing.T) {
	each(t, func(t *testing.T, name string, x *example) {
		if len(x.crons) != 1 {
			t.Fatalf("%d CronJobs", len(x.crons))
		}
		c := x.crons[0]
		for _, got := range []string{c.Name, or(x.scripts.Name, c.Name), or(x.secret.Name, c.Name)} {
			if got != "copytrigger-"+name {
				t.Errorf("a name is %s", got)
			}
		}
		if c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || c.Spec.TimeZone == nil ||
			*c.Spec.JobTemplate.Spec.BackoffLimit > 5 ||
			x.pod().RestartPolicy != corev1.RestartPolicyOnFailure ||
			x.pod().ServiceAccountName != x.account.Name {
			t.Errorf("%+v", c.Spec)
		}
		install, run := x.pod().InitContainers[0], x.pod().Containers[0]
		if install.Image != image ||
			!slices.Equal(install.Command, []string{"/copytrigger", "install", "/opt/copytrigger"}) ||
			!slices.Equal(run.Command, []string{"/opt/copytrigger/copytrigger", "run"}) {
			t.Errorf("%q, %q %q", install.Command, run.Command, run.Args)
		}
		id := run.Env[0]
		if id.Name != "COPYTRIGGER_RUN_ID" ||
			id.ValueFrom.FieldRef.FieldPath != "metadata.labels['batch.kubernetes.io/controller-uid']" {
			t.Errorf("the run's id is %+v", id)
		}
	})
}

func or(given, otherwise string) string {
	if given == "" {
		return otherwise
	}
	return given
}

// Nobody but who has to freeze a filesystem has more rights on the node than Pod Security
// "restricted" gives.
func TestRestricted(t *testing.T) {
	each(t, func(t *testing.T, name string, x *example) {
		all := slices.Concat(x.pod().InitContainers, x.pod().Containers)
		for _, c := range all {
			s := c.SecurityContext
			privileged := len(s.Capabilities.Add) > 0
			if privileged != (name == "fsfreeze" && c.Image != image) {
				t.Errorf("%s: capabilities %v", c.Name, s.Capabilities.Add)
			}
			if !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s: %+v", c.Name, s)
			}
			if !privileged && *s.AllowPrivilegeEscalation {
				t.Errorf("%s: privileges may grow", c.Name)
			}
		}
		if p := x.pod().SecurityContext; p.SeccompProfile == nil || name != "fsfreeze" && !*p.RunAsNonRoot {
			t.Errorf("%+v", p)
		}
	})
}

// The rights are those of getting-started.md, and for kubectl in the recipe its own.
func TestRoles(t *testing.T) {
	documented := yamltest.Documented(t, "../getting-started.md")
	each(t, func(t *testing.T, name string, x *example) {
		if len(x.roles) != len(x.bindings) || (len(x.roles) == 1) == (name == "scale-to-zero") {
			t.Errorf("%d Roles, %d bindings", len(x.roles), len(x.bindings))
		}
		if !reflect.DeepEqual(x.roles[0].Rules, documented) {
			t.Errorf("got %+v, want %+v", x.roles[0].Rules, documented)
		}
		for _, role := range x.roles {
			for _, rule := range role.Rules {
				// Who may patch a workload may run anything as the application.
				if slices.Contains(rule.Resources, "deployments") && !slices.Equal(rule.Verbs, []string{"get"}) {
					t.Errorf("%s: %v of %v", role.Name, rule.Verbs, rule.Resources)
				}
			}
		}
		names := map[string]bool{}
		for i, b := range x.bindings {
			names[b.Name] = true
			if b.RoleRef.Name != x.roles[i].Name || len(b.Subjects) != 1 || b.Subjects[0].Name != x.account.Name {
				t.Errorf("%+v", b)
			}
		}
		if len(names) != len(x.bindings) {
			t.Errorf("one takes the place of another: %v", names)
		}
	})
}

// The program takes every command line, also with the flags as variables.
func TestCommandLines(t *testing.T) {
	yamltest.Answering(t, http.StatusForbidden)
	code := func(args []string) int {
		var stdout, stderr bytes.Buffer
		return cli.Main(args, cli.Build{}, &stdout, &stderr)
	}
	each(t, func(t *testing.T, _ string, x *example) {
		run := x.pod().Containers[0]
		for _, e := range run.Env {
			t.Setenv(e.Name, or(e.Value, "1b4e28ba-2fa1-11d2-883f-0016d3cca427"))
		}
		args := slices.Concat(run.Command, run.Args)
		if got := code(args); got != 3 {
			t.Errorf("%q: exit code %d", args, got)
		}
		if got := code(append(args, "--no-such-flag")); got != 64 {
			t.Errorf("a flag that is unknown: exit code %d", got)
		}
	})
}

var variable = regexp.MustCompile(`\$\{?([A-Z][A-Z_]+)`)

// bash's own, and those of run.
var given = []string{"DB", "DB_PID", "COPYTRIGGER_RUN_ID", "COPYTRIGGER_PVCS", "COPYTRIGGER_MAX_FREEZE_SECONDS"}

// byOthers are variables that the programs know that the scripts run.
var byOthers = regexp.MustCompile(`^(PG[A-Z_]+|REDISCLI_AUTH|HOME|COPYTRIGGER_RUN_ID)$`)

// What a script uses is given to it, and what is given is used. Paths are given, too.
func TestScripts(t *testing.T) {
	each(t, func(t *testing.T, _ string, x *example) {
		used := map[string]bool{}
		for _, script := range x.scripts.Data {
			for _, found := range variable.FindAllStringSubmatch(script, -1) {
				used[found[1]] = true
			}
		}
		for _, c := range slices.Concat(x.pod().InitContainers[1:], x.pod().Containers) {
			have := map[string]bool{}
			for _, e := range c.Env {
				have[e.Name] = true
			}
			if len(c.EnvFrom) > 0 {
				for key := range x.secret.StringData {
					have[key] = true
				}
			}
			for name := range maps.Keys(have) {
				if !used[name] && !byOthers.MatchString(name) {
					t.Errorf("%s: nobody uses %s", c.Name, name)
				}
			}
			for name := range used {
				if !have[name] && !slices.Contains(given, name) {
					t.Errorf("%s: nobody gives %s", c.Name, name)
				}
			}
			for _, m := range c.VolumeMounts {
				for script, text := range x.scripts.Data {
					if strings.Contains(text, m.MountPath+"/") {
						t.Errorf("%s has the path %s in it", script, m.MountPath)
					}
				}
			}
		}
	})
}

func TestScriptsAreBash(t *testing.T) {
	each(t, func(t *testing.T, _ string, x *example) {
		for name, script := range x.scripts.Data {
			for _, check := range [][]string{{"bash", "-n"}, {"shellcheck", "--severity=warning", "-"}} {
				if _, err := exec.LookPath(check[0]); err != nil {
					t.Logf("%s is not installed", check[0])
					continue
				}
				cmd := exec.Command(check[0], check[1:]...)
				cmd.Stdin = strings.NewReader(script)
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s", name, check[0], err, said)
				}
			}
		}
	})
}

// Every example has a page that leads to it, and every page is in the index.
func TestPages(t *testing.T) {
	index := string(yamltest.Text(t, "README.md"))
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, page := range pages {
		all += string(yamltest.Text(t, page))
		if page != "README.md" && !strings.Contains(index, "]("+page+")") {
			t.Errorf("the index has no %s", page)
		}
	}
	each(t, func(t *testing.T, name string, _ *example) {
		if !strings.Contains(all, "("+name+".yaml)") {
			t.Error("no page leads to it")
		}
	})
	for _, link := range regexp.MustCompile(`\]\(([^):#]+)[^):]*\)`).FindAllStringSubmatch(all, -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Error(err)
		}
	}
}
