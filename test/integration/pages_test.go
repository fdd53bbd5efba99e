package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// What the pages show works when it is pasted: the claim, the ReplicationSource and the Role of
// getting-started.md, and the script of shell.md, which runs with them.
func TestPages(t *testing.T) {
	t.Parallel()
	harness.Need(t, harness.DefaultClasses)
	objects, shell := page(t, "getting-started.md"), page(t, "shell.md")
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skipf("the script of shell.md needs jq: %v", err)
	}
	claim, source, role := pageObjects(t, objects)
	scripts := blocks(shell, "bash")
	if len(scripts) != 1 || strings.Count(scripts[0], "COPYTRIGGER_NAMESPACE=app ") != 1 {
		t.Fatalf("shell.md has %d scripts in bash, or not one namespace app in it", len(scripts))
	}
	for name, c := range map[string]struct {
		quiesce, unquiesce string
		code               int
		calls              string
		copied, locked     bool
		others             bool   // the claim is locked by another run
		outcome            string // in last-run; "" for none
	}{
		"a good night": {
			calls:   "quiesce unquiesce",
			copied:  true,
			outcome: "ok",
		},
		"quiesce fails": {
			quiesce: "exit 7",
			code:    7,
			calls:   "quiesce unquiesce",
		},
		"unquiesce fails": {
			unquiesce: "exit 1",
			code:      6,
			calls:     "quiesce unquiesce",
			copied:    true,
			locked:    true,
		},
		"both fail": {
			quiesce:   "exit 7",
			unquiesce: "exit 1",
			code:      7,
			calls:     "quiesce unquiesce",
			locked:    true,
		},
		"another run has the claim": { // somebody has ended this one by hand
			quiesce: "copytrigger unlock --all >/dev/null; COPYTRIGGER_RUN_ID=other copytrigger disarm >/dev/null",
			code:    3,
			calls:   "quiesce",
			others:  true,
		},
		"a signal while it quiesces": {
			quiesce: "kill -TERM $PPID; sleep 1; echo quiesced >>calls",
			code:    143,
			calls:   "quiesce quiesced unquiesce",
		},
		"a signal while it unquiesces": {
			unquiesce: "kill -TERM $PPID; sleep 1; echo unquiesced >>calls",
			calls:     "quiesce unquiesce unquiesced",
			copied:    true,
			outcome:   "ok",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			if claim.GetName() != harness.Claim || claim.GetAnnotations()[harness.Use] == "" {
				t.Errorf("the claim is %q with %v", claim.GetName(), claim.GetAnnotations())
			}
			create(s, claim, true)
			secret(s)
			create(s, source, false)
			s = s.With(s.Account("page", role.Rules))

			dir := t.TempDir()
			script := strings.ReplaceAll(scripts[0], "COPYTRIGGER_NAMESPACE=app ", "COPYTRIGGER_NAMESPACE="+s.Namespace+" ")
			program(t, dir, "script", script)
			program(t, dir, "quiesce", "#!/bin/sh\necho quiesce >>calls\n"+c.quiesce+"\n")
			program(t, dir, "unquiesce", "#!/bin/sh\necho unquiesce >>calls\n"+c.unquiesce+"\n")
			s.Must(os.Symlink(s.Binary(), filepath.Join(dir, "copytrigger")))
			cmd := exec.CommandContext(s.Ctx, "./script")
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=" + s.Kubeconfig}
			said, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Fatalf("the script ended with %d, want %d:\n%s", got, c.code, said)
			}
			calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
			if strings.Join(strings.Fields(string(calls)), " ") != c.calls {
				t.Errorf("called %q, want %s", calls, c.calls)
			}
			marks := s.Annotations()
			if trigger, latest := marks[harness.Trigger], marks["volsync.backube/latest-copy-trigger"]; trigger != latest ||
				(latest != "") != c.copied {
				t.Errorf("left %v; want a copy: %v, and nothing armed\n%s", marks, c.copied, said)
			}
			lock := marks[harness.LockedBy]
			if strings.Contains(lock, "/lost/") != c.locked || strings.HasPrefix(lock, "other/") != c.others ||
				(lock != "") != (c.locked || c.others) {
				t.Errorf("left the lock %q; want one: %v, another's: %v\n%s", lock, c.locked, c.others, said)
			}
			var last struct{ Outcome string }
			_ = json.Unmarshal([]byte(marks["copytrigger/last-run"]), &last) // there may be none
			if good := c.outcome == "ok"; last.Outcome != c.outcome || (marks["copytrigger/last-good-copy"] != "") != good {
				t.Errorf("left %v; want the outcome %q\n%s", marks, c.outcome, said)
			}
		})
	}
}

// page returns the text of a page of docs/.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pageObjects are the claim, the ReplicationSource and the Role of a page.
func pageObjects(t *testing.T, text string) (claim, source *unstructured.Unstructured, role rbacv1.Role) {
	t.Helper()
	found := map[string]*unstructured.Unstructured{}
	for _, block := range blocks(text, "yaml") {
		for _, document := range strings.Split(block, "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict([]byte(document), &o.Object); err != nil {
				t.Fatalf("the page's YAML: %v\n%s", err, document)
			}
			found[o.GetKind()] = o
			if o.GetKind() == "Role" {
				if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
					t.Fatalf("the page's Role: %v", err)
				}
			}
		}
	}
	claim, source = found["PersistentVolumeClaim"], found["ReplicationSource"]
	if claim == nil || source == nil || len(role.Rules) == 0 {
		t.Fatalf("the page has no claim, no ReplicationSource or no Role, only %v", found)
	}
	return claim, source, role
}

// blocks are the fenced blocks of a language.
func blocks(text, language string) []string {
	var bs []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		bs = append(bs, m[1])
	}
	return bs
}

// create creates an object, strictly: a field that nobody knows is an error. The site has
// the claim already, so that is only tried, under another name.
func create(s *harness.Site, o *unstructured.Unstructured, try bool) {
	s.Helper()
	o = o.DeepCopy()
	opts := metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}
	if try {
		o.SetName(o.GetName() + "-tried")
		opts.DryRun = []string{metav1.DryRunAll}
	}
	gvk := o.GroupVersionKind()
	gvr := schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: strings.ToLower(gvk.Kind) + "s"}
	if _, err := s.Dynamic().Resource(gvr).Namespace(s.Namespace).Create(s.Ctx, o, opts); err != nil {
		s.Fatalf("creating the page's %s: %v", gvk.Kind, err)
	}
}

func program(t *testing.T, dir, name, text string) {
	t.Helper()
	// A child of another test, between fork and exec, would still have it open for writing,
	// and nobody can execute it then (ETXTBSY).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(fmt.Errorf("writing %s: %w", name, err))
	}
}

// The commands of getting-started.md work in their order, as they stand there: but for those that need
// a pod, or build.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	harness.Need(t, harness.DefaultClasses)
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skipf("the commands of getting-started.md need kubectl: %v", err)
	}
	text := page(t, "getting-started.md")
	s := harness.New(t).AsAdmin()
	_, source, _ := pageObjects(t, text)
	s.Annotate(harness.Use, "true")
	secret(s)
	create(s, source, false)

	dir := t.TempDir()
	s.Must(os.Symlink(s.Binary(), filepath.Join(dir, "copytrigger")))
	program(t, dir, "psql", "#!/bin/sh\nexit 0\n")
	ran := map[string]string{}
	for _, line := range prompted(text) {
		line = strings.NewReplacer("-n app", "-n "+s.Namespace, "--in-pod", "").Replace(line)
		if strings.HasPrefix(line, "make ") {
			continue
		}
		cmd := exec.CommandContext(s.Ctx, "sh", "-c", line)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=" + s.Kubeconfig}
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, said)
		}
		ran[line] = string(said)
	}
	if len(ran) < 6 {
		t.Errorf("only %d commands were found", len(ran))
	}
	marks := s.Annotations()
	if latest := marks["volsync.backube/latest-copy-trigger"]; latest == "" || marks[harness.LockedBy] != "" {
		t.Errorf("left %v; want a copy, and no lock", marks)
	}
}

// secret creates the Secret of the page's ReplicationSource.
func secret(s *harness.Site) {
	s.Helper()
	_, err := s.Kube().CoreV1().Secrets(s.Namespace).Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "backup-repository"},
		StringData: map[string]string{"RESTIC_REPOSITORY": "/repository", "RESTIC_PASSWORD": "x"},
	}, metav1.CreateOptions{})
	s.Must(err)
}

// prompted are the commands that a page shows behind a prompt, in their order.
func prompted(text string) []string {
	var lines []string
	for _, block := range blocks(strings.ReplaceAll(text, "\\\n", " "), "console") {
		for line := range strings.Lines(block) {
			if command, is := strings.CutPrefix(strings.TrimSpace(line), "$ "); is {
				lines = append(lines, command)
			}
		}
	}
	return lines
}
