package recipes

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/copytrigger/copytrigger/internal/cli"
	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// inPod is a recipe whose commands run in the application's own pod, as `kubectl apply -k` has it.
type inPod struct {
	text  []byte // that the user changes
	cron  batchv1.CronJob
	roles map[string][]rbacv1.PolicyRule
}

func (x *inPod) pod() *corev1.PodSpec { return &x.cron.Spec.JobTemplate.Spec.Template.Spec }

// eachInPod runs a test for each of them.
func eachInPod(t *testing.T, test func(t *testing.T, name string, x *inPod)) {
	t.Helper()
	files, err := filepath.Glob("*/kustomization.yaml")
	if err != nil || len(files) != 7 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		name := filepath.Dir(file)
		if name == "in-pod" {
			continue // what they have in common
		}
		t.Run(name, func(t *testing.T) {
			x := &inPod{text: yamltest.Text(t, file), roles: map[string][]rbacv1.PolicyRule{}}
			roles := []*rbacv1.Role{}
			_, err := yamltest.Decode(yamltest.Rendered(t, filesys.MakeFsOnDisk(), name), func(kind string) metav1.Object {
				switch kind {
				case "batch/v1 CronJob":
					return &x.cron
				case "rbac.authorization.k8s.io/v1 Role":
					roles = append(roles, &rbacv1.Role{})
					return roles[len(roles)-1]
				case "rbac.authorization.k8s.io/v1 RoleBinding":
					return &rbacv1.RoleBinding{}
				case "v1 ServiceAccount":
					return &corev1.ServiceAccount{}
				case "policy/v1 PodDisruptionBudget":
					return &policyv1.PodDisruptionBudget{}
				}
				return nil // no Secret, no script
			})
			yamltest.Must(t, err)
			for _, r := range roles {
				x.roles[r.Name] = r.Rules
			}
			test(t, name, x)
		})
	}
}

// A user writes no more than 40 lines, and they are a claim, commands and a schedule.
func TestInPodIsShort(t *testing.T) {
	eachInPod(t, func(t *testing.T, name string, x *inPod) {
		if lines := bytes.Count(x.text, []byte("\n")); lines > 40 {
			t.Errorf("%d lines", lines)
		}
		own := map[string]bool{}
		for _, m := range regexp.MustCompile(`name: (COPYTRIGGER_\w+)`).FindAllStringSubmatch(string(x.text), -1) {
			own[m[1]] = true
		}
		hold := map[string]bool{"COPYTRIGGER_PVC": true, "COPYTRIGGER_HOLD": true}
		two := map[string]bool{"COPYTRIGGER_PVC": true, "COPYTRIGGER_QUIESCE": true, "COPYTRIGGER_UNQUIESCE": true}
		if !reflect.DeepEqual(own, hold) && !reflect.DeepEqual(own, two) {
			t.Errorf("it sets %v", own)
		}
		if page := string(yamltest.Text(t, name+".md")); !strings.Contains(page, "("+name+"/kustomization.yaml)") {
			t.Error("its page does not lead to it")
		}
	})
}

// The one container is copytrigger's own, on the one image that images/ names, and restricted. The
// rights are those of getting-started.md and that of rbac/exec.
func TestInPodIsOurs(t *testing.T) {
	documented := yamltest.Documented(t, "../getting-started.md")
	eachInPod(t, func(t *testing.T, _ string, x *inPod) {
		p := x.pod()
		if len(p.Containers) != 1 || len(p.InitContainers) != 0 || p.Containers[0].Image != image ||
			!slices.Equal(p.Containers[0].Command, []string{"/copytrigger"}) || len(p.Containers[0].EnvFrom) != 0 {
			t.Fatalf("%+v", p)
		}
		if s := p.Containers[0].SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
			!*p.SecurityContext.RunAsNonRoot {
			t.Errorf("%+v", s)
		}
		if x.cron.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || p.RestartPolicy != corev1.RestartPolicyOnFailure {
			t.Errorf("%+v", x.cron.Spec)
		}
		yamltest.None(t, yamltest.OtherThan(x.roles["copytrigger-jobs"], documented))
		if exec := x.roles["copytrigger-exec"]; len(exec) != 2 || !slices.Equal(exec[1].Resources, []string{"pods/exec"}) {
			t.Errorf("%+v", exec)
		}
	})
}

// The program takes the command line, and its commands are for any shell. Kubernetes leaves them as
// they are: it makes one dollar of two, and puts variables of the container in.
func TestInPodCommands(t *testing.T) {
	yamltest.Answering(t, http.StatusForbidden)
	eachInPod(t, func(t *testing.T, _ string, x *inPod) {
		run := x.pod().Containers[0]
		for _, e := range run.Env {
			t.Setenv(e.Name, or(e.Value, "1b4e28ba-2fa1-11d2-883f-0016d3cca427"))
			yamltest.None(t, expanded(e.Value, run.Env))
			if !strings.HasSuffix(e.Name, "QUIESCE") && !strings.HasSuffix(e.Name, "HOLD") {
				continue
			}
			for _, check := range [][]string{{"sh", "-n"}, {"shellcheck", "--shell=sh", "--severity=warning", "-"}} {
				if _, err := exec.LookPath(check[0]); err != nil {
					t.Logf("%s is not installed", check[0])
					continue
				}
				cmd := exec.Command(check[0], check[1:]...)
				cmd.Stdin = strings.NewReader(e.Value)
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s", e.Name, check[0], err, said)
				}
			}
		}
		var stdout, stderr bytes.Buffer
		args := slices.Concat(run.Command, run.Args)
		args[len(args)-1] = "--state-file=" + filepath.Join(t.TempDir(), "locked")
		if got := cli.Main(args, cli.Build{}, &stdout, &stderr); got != 3 {
			t.Errorf("%q: exit code %d: %s", args, got, &stderr)
		}
	})
	yamltest.Some(t, expanded("kill $$", nil), "two dollars")
	yamltest.Some(t, expanded("echo $(A)", []corev1.EnvVar{{Name: "A"}}), "$(A)")
}

func expanded(value string, env []corev1.EnvVar) []string {
	var problems []string
	if strings.Contains(value, "$$") {
		problems = append(problems, fmt.Sprintf("two dollars in %q", value))
	}
	for _, e := range env {
		if strings.Contains(value, "$("+e.Name+")") {
			problems = append(problems, fmt.Sprintf("$(%s) in %q", e.Name, value))
		}
	}
	return problems
}
