package integration

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// finding is a check as the program prints it.
type finding struct {
	Check, Result, Message, Hint string
	Commands                     []string
}

func (f finding) is(result string) bool { return f.Result == result }

// checked runs check behind a proxy, which sees that the server keeps nothing of what it asks.
func checked(s *harness.Site, code int, args ...string) []finding {
	s.Helper()
	s, proxy := s.Proxied()
	r := s.Run("check", append([]string{"-o", "json"}, args...)...).Exits(code)
	proxy.WroteNothing()
	var printed struct{ Checks []finding }
	if err := json.Unmarshal([]byte(r.Stdout), &printed); err != nil {
		s.Fatalf("%s is not JSON: %v", r.Stdout, err)
	}
	return printed.Checks
}

// that is the finding about something, of the worst result.
func that(s *harness.Site, all []finding, check string) finding {
	s.Helper()
	order := []string{"ok", "unknown", "warning", "refused"}
	worst := finding{}
	for _, f := range all {
		if f.Check == check && (worst.Check == "" || slices.Index(order, f.Result) > slices.Index(order, worst.Result)) {
			worst = f
		}
	}
	if worst.Check == "" {
		s.Fatalf("nothing is said about %s: %+v", check, all)
	}
	return worst
}

// pasted runs the commands of a finding as the administrator, as they were printed.
func pasted(s *harness.Site, f finding) {
	s.Helper()
	for _, line := range f.Commands {
		// #nosec G204 -- what is printed is what is tested
		cmd := exec.CommandContext(s.Ctx, "sh", "-c", line)
		cmd.Env = []string{"KUBECONFIG=" + harness.Kubeconfig(), "PATH=" + kubectl(s) + ":" + os.Getenv("PATH"), "HOME=" +
			s.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil {
			s.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

// asAccount is the flag by which an administrator asks for the rights of the site's account.
func asAccount(s *harness.Site, name string) string {
	return "--as=system:serviceaccount:" + s.Namespace + ":" + name
}

// Where nothing is wrong check ends well, and everything is known; the account of the steps itself
// finds nothing wrong either, and says what it may not see.
func TestCheckFindsNothing(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	for _, f := range checked(s.AsAdmin(), harness.OK, asAccount(s, "copytrigger")) {
		if !f.is("ok") {
			t.Errorf("%+v", f)
		}
	}
	all := checked(s, harness.OK)
	for _, f := range all {
		if !f.is("ok") && !f.is("unknown") {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"quota", "storage"} {
		if f := that(s, all, check); !f.is("unknown") {
			t.Errorf("the account of the steps knows more than it may see: %+v", f)
		}
	}
	s.Leaves("", "", harness.Waiting)

	// What writes is counted.
	behind, proxy := s.Proxied()
	behind.AwaitWaiting("run")
	proxy.Wrote()
}

// Each thing that would make a run fail is found, and its commands, where it has any, put it right as
// they were printed.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arrange func(s *harness.Site)
		check   string
		result  string
		says    string
		puts    bool // its commands put it right
		needs   harness.Capability
	}{
		{
			name: "armed", arrange: func(s *harness.Site) { s.Annotate(harness.Trigger, foreign) },
			check: "copy-trigger", result: "refused", says: `armed with the trigger "somebody-else"`, puts: true,
		},
		{
			name:    "without copy triggers",
			arrange: func(s *harness.Site) { s.Annotate(harness.Use, "") },
			check:   "claim", result: "refused", says: "has no annotation " + harness.Use, puts: true,
		},
		{
			name: "no ReplicationSource", arrange: func(*harness.Site) {},
			check: "source", result: "refused", says: "no ReplicationSource has it as sourcePVC",
		},
		{
			name: "two ReplicationSources",
			arrange: func(s *harness.Site) {
				s.ReplicateAndWait(harness.Source{})
				s.Replicate(harness.Source{Name: "weekly"})
			},
			check: "source", result: "refused", says: "2 ReplicationSources have it as sourcePVC",
		},
		{
			name:    "copyMethod Direct",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Method: "Direct"}) },
			check:   "copy-method", result: "refused", says: `copyMethod "Direct"`, puts: true,
		},
		{
			name:    "mover syncthing",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Mover: "syncthing"}) },
			check:   "mover", result: "refused", says: `the mover "syncthing"`,
		},
		{
			name:    "paused",
			arrange: func(s *harness.Site) { s.Replicate(harness.Source{Paused: true}) },
			check:   "source", result: "refused", says: "is paused", puts: true,
		},
		{
			name: "locked by another run",
			arrange: func(s *harness.Site) {
				s.ReplicateAndWait(harness.Source{})
				s.AwaitWaiting("other")
			},
			check: "lock", result: "refused", says: "run other has locked the claim",
		},
		{
			name: "a copy that the storage cannot make",
			arrange: func(s *harness.Site) {
				s.FireHeld("first")
				s.Run("disarm", "--run-id", "first").Outcome("tainted")
				s.Unlock("first")
				s.Await(snapshots, harness.CopyName, "failed", func(o *unstructured.Unstructured) bool {
					_, failed, _ := unstructured.NestedString(o.Object, "status", "error", "message")
					return failed
				})
			},
			check: "copy", result: "refused", says: "the storage reports for it: ", puts: true,
		},
		{
			name: "a claim without a volume", arrange: unbound, needs: harness.ClusterWide,
			check: "claim", result: "refused", says: "not bound to a volume",
		},
		{
			name:    "a snapshot class that is not there",
			arrange: func(s *harness.Site) { s.ReplicateAndWait(harness.Source{SnapshotClass: "gone"}) },
			check:   "storage", result: "refused", says: "names VolumeSnapshotClass gone, which is not there", puts: true,
		},
		{
			name: "a snapshot class of another driver", needs: harness.ClusterWide,
			arrange: func(s *harness.Site) {
				s.ReplicateAndWait(harness.Source{SnapshotClass: snapshotClass(s, "other.example")})
			},
			check: "storage", result: "refused", says: "is of driver other.example, and the volume of driver ", puts: true,
		},
		{
			name: "a clone that waits for its first consumer", needs: harness.ClusterWide,
			arrange: func(s *harness.Site) {
				s.Replicate(harness.Source{Method: "Clone", StorageClass: storageClass(s,
					storagev1.VolumeBindingWaitForFirstConsumer)})
			},
			check: "copy-method", result: "warning", says: "WaitForFirstConsumer", puts: true,
		},
		{
			name: "a clone that binds at once", needs: harness.ClusterWide,
			arrange: func(s *harness.Site) {
				s.Replicate(harness.Source{Method: "Clone", StorageClass: storageClass(s, storagev1.VolumeBindingImmediate)})
			},
			check: "copy-method", result: "ok", says: "Clone",
		},
		{
			name:    "a quota of snapshots",
			arrange: func(s *harness.Site) { s.ReplicateAndWait(harness.Source{}); noSnapshots(s) },
			check:   "quota", result: "refused", says: "exceeded quota: no-snapshots",
		},
		{
			name: "a quota of claims, and a clone",
			arrange: func(s *harness.Site) {
				s.ReplicateAndWait(harness.Source{Method: "Clone"})
				quota(s, "no-space", "requests.storage", "1Gi")
			},
			check: "quota", result: "refused", says: "exceeded quota: no-space",
		},
		{
			name: "a manual trigger that rests",
			arrange: func(s *harness.Site) {
				backedUp(s)
				s.FinishSync()
				s.AwaitRest()
			},
			check: "sync", result: "warning", says: `its trigger "first" has been synced`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t)
			if c.needs != "" {
				s.Need(c.needs)
			}
			c.arrange(s)
			code := harness.OK
			if c.result == "refused" {
				code = harness.Refused
			}
			f := that(s, checked(s.AsAdmin(), code), c.check)
			if !f.is(c.result) || !strings.Contains(f.Message, c.says) {
				t.Fatalf("got %+v, want %s that says %q", f, c.result, c.says)
			}
			if f.Result != "ok" && f.Hint == "" && f.Commands == nil {
				t.Errorf("%+v does not say what to do", f)
			}
			if !c.puts {
				return
			}
			pasted(s, f)
			s.Eventually("check to find it put right", func() bool {
				r := s.AsAdmin().Run("check", "-o", "json")
				var printed struct{ Checks []finding }
				s.Must(json.Unmarshal([]byte(r.Stdout), &printed))
				return !slices.ContainsFunc(printed.Checks, func(g finding) bool {
					return g.Check == f.Check &&
						g.Message == f.Message
				})
			})
		})
	}
}

var snapshots = schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1",
	Resource: "volumesnapshots"}

// unbound makes the claim one that nobody gives a volume.
func unbound(s *harness.Site) {
	s.Helper()
	s.DeleteClaim()
	class := ""
	_, err := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace).Create(s.Ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: harness.Claim, Annotations: map[string]string{harness.Use: "true"}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	s.ReplicateAndWait(harness.Source{})
}

// snapshotClass makes a class of a driver that is not there.
func snapshotClass(s *harness.Site, driver string) string {
	s.Helper()
	classes := s.Dynamic().Resource(schema.GroupVersionResource{
		Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshotclasses",
	})
	_, err := classes.Create(s.Ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
		"metadata": map[string]any{"name": s.Namespace}, "driver": driver, "deletionPolicy": "Delete",
	}}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() { _ = classes.Delete(context.Background(), s.Namespace, metav1.DeleteOptions{}) })
	return s.Namespace
}

// storageClass makes a class with a way to bind.
func storageClass(s *harness.Site, binding storagev1.VolumeBindingMode) string {
	s.Helper()
	classes := s.Kube().StorageV1().StorageClasses()
	_, err := classes.Create(s.Ctx, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: s.Namespace},
		Provisioner: "dir.csi.copytrigger.test", VolumeBindingMode: &binding,
	}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() { _ = classes.Delete(context.Background(), s.Namespace, metav1.DeleteOptions{}) })
	return s.Namespace
}

// The name that VolSync gives its copy has a limit. Beyond it VolSync waits, takes the trigger, and
// never makes a copy; check and await-waiting refuse before that, and only before that.
func TestCopyNameTooLong(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Replicate(harness.Source{Name: strings.Repeat("x", 242)})
	s.AwaitStatus(harness.Waiting)
	if f := that(s, checked(s.AsAdmin(), harness.Refused), "copy"); !f.is("refused") ||
		!strings.Contains(f.Message, "254 characters") {
		t.Errorf("%+v", f)
	}
	s.AsAdmin().Run("await-waiting", "--run-id", "run").Ends(harness.Refused).Error("would have a name of 254 characters")
	s.Annotate(harness.Trigger, "by-hand")
	s.Eventually("VolSync to say so", func() bool { return strings.Contains(s.Report(), "must be no more than 253") })
	s.Copied(0)

	fits := harness.New(t)
	fits.Replicate(harness.Source{Name: strings.Repeat("x", 241)})
	fits.AwaitStatus(harness.Waiting)
	checked(fits.AsAdmin(), harness.OK)
	fits.Annotate(harness.Trigger, "by-hand")
	fits.Eventually("VolSync to record it", func() bool { return fits.Marks().Latest == "by-hand" })
}

// Every right that is missing is found, by the account itself and by who asks for it, and the commands
// grant it.
func TestCheckFindsMissingRights(t *testing.T) {
	t.Parallel()
	for i, rule := range harness.LeastRole() {
		method := "Snapshot"
		if rule.ResourceNames != nil && rule.ResourceNames[0] == harness.CopyName &&
			rule.Resources[0] == "persistentvolumeclaims" {
			method = "Clone"
		}
		for _, verb := range rule.Verbs {
			t.Run(verb+" "+rule.Resources[0]+" "+method, func(t *testing.T) {
				t.Parallel()
				s := harness.New(t)
				s.ReplicateAndWait(harness.Source{Method: method})
				lesser := s.Account("lesser", without(harness.LeastRole(), i, verb))
				f := that(s, checked(s.With(lesser), harness.Refused), "rights")
				if want := "lesser may not " + verb + " " + rule.Resources[0]; !f.is("refused") ||
					!strings.Contains(f.Message, want) {
					t.Fatalf("got %+v, want %q", f, want)
				}
				if g := that(s, checked(s.AsAdmin(), harness.Refused, asAccount(s, "lesser")), "rights"); g.Message != f.Message {
					t.Errorf("an administrator finds %q, the account %q", g.Message, f.Message)
				}
				pasted(s, f)
				s.Eventually("the right to be there", func() bool {
					return s.AsAdmin().Run("check", asAccount(s, "lesser")).Code == harness.OK
				})
			})
		}
	}
}

// The right to start a sync is asked for where the run will start one, and nowhere else.
func TestCheckOfTheRightToStart(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	account := asAccount(s, "without")
	s.Account("without", harness.LeastRole())
	checked(s.AsAdmin(), harness.OK, account)
	f := that(s, checked(s.AsAdmin(), harness.Refused, account, "--start-sync"), "rights")
	if want := "without may not patch replicationsources.volsync.backube " + harness.Nightly; !f.is("refused") ||
		!strings.Contains(f.Message, want) {
		t.Fatalf("got %+v, want %q", f, want)
	}
	pasted(s, f)
	s.Eventually("the right to be there", func() bool {
		return s.AsAdmin().Run("check", account, "--start-sync").Code == harness.OK
	})
	s.MayStartSync() // by the Role that is shipped
	checked(s, harness.OK, "--start-sync")
}

// A policy that refuses the lock is met by a dry run with the very annotations, as the account.
func TestCheckFindsAPolicy(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Need(harness.ClusterWide)
	s.ReplicateAndWait(harness.Source{})
	of := s.Kube().AdmissionregistrationV1()
	_, err := of.ValidatingAdmissionPolicies().Create(s.Ctx, &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{
					MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.Namespace},
				},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule: admissionv1.Rule{
						APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"persistentvolumeclaims"},
					},
				}}},
			},
			MatchConditions: []admissionv1.MatchCondition{{
				Name: "account", Expression: "request.userInfo.username.endsWith(':copytrigger')",
			}},
			Validations: []admissionv1.Validation{{
				Expression: "!('" + harness.LockedBy + "' in object.metadata.?annotations.orValue({}))", Message: "no locks here",
			}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() {
		_ = of.ValidatingAdmissionPolicies().Delete(context.Background(), s.Namespace, metav1.DeleteOptions{})
	})
	_, err = of.ValidatingAdmissionPolicyBindings().Create(s.Ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.Namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: s.Namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	s.Cleanup(func() {
		_ = of.ValidatingAdmissionPolicyBindings().Delete(context.Background(), s.Namespace, metav1.DeleteOptions{})
	})
	var f finding
	s.Eventually("the policy to be in force", func() bool { // the API server says so nowhere
		r := s.Run("check", "-o", "json")
		var printed struct{ Checks []finding }
		s.Must(json.Unmarshal([]byte(r.Stdout), &printed))
		f = that(s, printed.Checks, "admission")
		return r.Code == harness.Refused
	})
	if !strings.Contains(f.Message, "no locks here") {
		t.Errorf("%+v", f)
	}
	// It is for the account alone: an administrator sees it only by --as.
	if f := that(s, checked(s.AsAdmin(), harness.OK), "admission"); !f.is("ok") {
		t.Errorf("%+v", f)
	}
	if f := that(s, checked(s.AsAdmin(), harness.Refused, asAccount(s, "copytrigger")), "admission"); !f.is("refused") {
		t.Errorf("%+v", f)
	}
}

// The pod and the container of --in-pod are those that run would choose.
func TestCheckFindsThePod(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.Need(harness.Components) // a node would want to say itself how a pod is
	s.ReplicateAndWait(harness.Source{})
	in := func(code int, args ...string) finding {
		s.Helper()
		return that(s, checked(s.AsAdmin(), code, append([]string{"--in-pod"}, args...)...), "pod")
	}
	if f := in(harness.Refused); !strings.Contains(f.Message,
		"no running pod in namespace "+s.Namespace+" mounts PVC data") {
		t.Errorf("%+v", f)
	}
	runningPod(s, "db-0")
	if f := in(harness.OK); f.Message != "commands would run in pod "+s.Namespace+"/db-0 (container main)" {
		t.Errorf("%+v", f)
	}
	if f := in(harness.Refused, "--container", "other"); !strings.Contains(f.Message, "has no container other") {
		t.Errorf("%+v", f)
	}
	runningPod(s, "db-1")
	if f := in(harness.Refused); !strings.Contains(f.Message, "2 running pods") {
		t.Errorf("%+v", f)
	}
	in(harness.OK, "--pod", "db-1")
	f := that(s, checked(s, harness.Refused, "--in-pod", "--pod", "db-1"), "rights")
	if !f.is("refused") || !strings.Contains(f.Message, "pods") {
		t.Errorf("the account of the steps has no right to exec: %+v", f)
	}
}

// runningPod is a pod with the claim that a node would say of that it runs.
func runningPod(s *harness.Site, name string) {
	s.Helper()
	pods := s.Kube().CoreV1().Pods(s.Namespace)
	user, yes, no := int64(65532), true, false
	_, err := pods.Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"copytrigger.test/nowhere": ""},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "main", Image: "none", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: harness.Claim},
			}}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	_, err = pods.Patch(s.Ctx, name, types.MergePatchType, []byte(`{"status": {"phase": "Running", "containerStatuses": [
		{"name": "main", "containerID": "test://1", "image": "none", "imageID": "", "ready": true, "restartCount": 0,
		"state": {"running": {}}}]}}`), metav1.PatchOptions{}, "status")
	s.Must(err)
}

// Several claims are looked at together, and each has its findings.
func TestCheckSeveralClaims(t *testing.T) {
	t.Parallel()
	g := groupOf(t, 2)
	g.Members[1].PatchSource(map[string]any{"paused": true})
	admin := g.AsAdmin()
	r := admin.StartRaw("check", asAccount(g.Site, "copytrigger-group"), g.Members[0].ClaimName(),
		g.Members[1].ClaimName()).
		End().Exits(harness.Refused)
	for _, want := range []string{"data-01   source", "is paused", "kubectl patch -n " + g.Namespace +
		" replicationsource/nightly-01"} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("stdout does not say %q:\n%s", want, r.Stdout)
		}
	}
	if strings.Count(r.Stdout, "refused") != 1 {
		t.Errorf("more than one finding:\n%s", r.Stdout)
	}
}

// Who may not do what --as asks for is told so, and nothing is taken for granted.
func TestCheckWithoutTheRightToImpersonate(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	s.Run("check", asAccount(s, "other")).Exits(harness.Refused).Says("cannot impersonate")
}

// An administrator sees the claims of all namespaces; status writes nothing, and shows what changes.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := harness.New(t)
	s.ReplicateAndWait(harness.Source{})
	admin, proxy := s.AsAdmin().Proxied()
	all := admin.StartRaw("status", "-A", "-o", "json").End().Exits(harness.OK)
	var printed struct {
		Items []struct {
			Namespace, Name, VolSync, Since, ReplicationSource, CopyMethod, Reason string
			Armed                                                                  bool
		}
	}
	s.Must(json.Unmarshal([]byte(all.Stdout), &printed))
	found := false
	for _, c := range printed.Items {
		if c.Namespace != s.Namespace {
			continue
		}
		found = true
		if c.Name != harness.Claim || c.VolSync != "WaitingForTrigger" || c.Since == "" || c.Armed ||
			c.ReplicationSource != harness.Nightly || c.CopyMethod != "Snapshot" {
			t.Errorf("got %+v", c)
		}
	}
	if !found {
		t.Errorf("the claim of %s is not among %s", s.Namespace, all.Stdout)
	}

	watching := admin.StartRaw("status", "--watch")
	watching.Prints("WaitingForTrigger")
	s.Annotate(harness.Trigger, "by-hand")
	s.AwaitRecorded("by-hand")
	watching.Prints("Synchronizing")
	proxy.WroteNothing()
	watching.Signal(syscall.SIGTERM)
	watching.End().Exits(harness.OK)
}

// kubectl returns the directory of a kubectl: the cluster's own, or one of the machine.
func kubectl(s *harness.Site) string {
	s.Helper()
	built, err := filepath.Glob("../../.cache/bin/kubectl-*")
	s.Must(err)
	if len(built) == 0 {
		path, err := exec.LookPath("kubectl")
		s.Must(err)
		return filepath.Dir(path)
	}
	path, err := filepath.Abs(built[0])
	s.Must(err)
	dir := s.TempDir()
	s.Must(os.Symlink(path, filepath.Join(dir, "kubectl")))
	return dir
}
