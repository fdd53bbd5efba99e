package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// Claim and Source are the names that things have in every site.
const (
	Claim   = "data"    // the claim that is copied
	Nightly = "nightly" // the ReplicationSource that copies it
)

// CopyName is what VolSync calls its copy of the claim.
const CopyName = "volsync-" + Nightly + "-src"

// patience is how long a site's test may take in all. No test asserts on time; this only
// keeps one that hangs from hanging for ever.
const patience = 25 * time.Minute

// T is what the harness asks of a test: a *testing.T, or a test script's counterpart.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
	Name() string
	TempDir() string
}

// Site is a namespace of one test: the claim "data" with copy triggers on, and an
// account with the least rights, which the program runs as.
type Site struct {
	T
	Ctx        context.Context
	Namespace  string
	Kubeconfig string   // the program's
	env        []string // more of its environment
	program    string   // "": the one that is tested
	claim      string
	source     string // the ReplicationSource of the claim
	copies     *copies
	history    *history
}

// New makes a site. Without a cluster it skips the test.
func New(t *testing.T) *Site {
	t.Helper()
	Need(t)
	s := NewFor(t)
	LogIfFailed(t, s.Report)
	return s
}

// LogIfFailed logs a report at the end of a test that has failed.
func LogIfFailed(t *testing.T, report func() string) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(report())
		}
	})
}

// NewFor is New for any T; the cluster has to be there.
func NewFor(t T) *Site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s := &Site{T: t, Ctx: ctx, history: &history{}, claim: Claim, source: Nightly}
	shared.tally.ran(t.Name())
	var err error
	s.Namespace, err = shared.namespace(ctx, t.Name())
	s.Must(err)
	t.Cleanup(s.remove)
	s.copies = s.recordCopies()
	s.CreateClaim(map[string]string{Use: ""})
	s.bind()
	s.until(claims, s.claim, "bound", func(o object) bool { return o.text("status", "phase") == "Bound" })
	s.Kubeconfig = s.Account("copytrigger", LeastRole())
	return s
}

// Program makes another build of the program the site's, to be compared with.
func (s *Site) Program(path string) { s.program = path }

// Binary is the program's path.
func (s *Site) Binary() string { return shared.binary }

// Cluster is the cluster that all sites are in.
func (s *Site) Cluster() *cluster.Cluster { return shared.cluster }

// Kubeconfig is the administrator's, as the variable has it.
func Kubeconfig() string {
	if Ours() {
		return shared.cluster.Kubeconfig()
	}
	return os.Getenv(kubeconfigEnv)
}

// Kube and Dynamic are the administrator's clients.
func Kube() kubernetes.Interface           { return shared.client }
func (s *Site) Kube() kubernetes.Interface { return shared.client }
func (s *Site) Dynamic() dynamic.Interface { return shared.dynamic }

// With is the same site, with the program run by another kubeconfig.
func (s *Site) With(kubeconfig string) *Site {
	other := *s
	other.Kubeconfig = kubeconfig
	return &other
}

// AsAdmin is the same site, with the program run by the administrator: whose kubeconfig may
// name a command that gets a token, and needs the administrator's own environment.
func (s *Site) AsAdmin() *Site {
	s.Helper()
	admin := s.With(Kubeconfig())
	if !Ours() {
		admin.env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "COPYTRIGGER_") // flags of the program's, some of them
		})
	}
	admin.env = append(admin.env, "COPYTRIGGER_NAMESPACE="+s.Namespace)
	return admin
}

// Must fails the test if there is an error.
func (s *Site) Must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v", err)
	}
}

// CreateClaim makes the claim. New has made it already; this is for tests that delete it.
func (s *Site) CreateClaim(annotations map[string]string) {
	s.Helper()
	_, err := shared.client.CoreV1().PersistentVolumeClaims(s.Namespace).Create(s.Ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: s.claim, Annotations: annotations},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: StorageClass(),
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceStorage: resource.MustParse("1Gi"),
			}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
}

// remove asks for the namespace's end, and does not wait for it.
func (s *Site) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := shared.client.CoreV1().Namespaces().Delete(ctx, s.Namespace, metav1.DeleteOptions{}); err != nil {
		s.Logf("deleting namespace %s: %v", s.Namespace, err)
	}
}

// Report is what there is to say about a site when its test has failed.
func (s *Site) Report() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var b strings.Builder
	fmt.Fprintf(&b, "namespace %s\n%s", s.Namespace, s.history)
	claim, err := shared.client.CoreV1().PersistentVolumeClaims(s.Namespace).Get(ctx, s.claim, metav1.GetOptions{})
	if err != nil {
		fmt.Fprintf(&b, "PVC: %v\n", err)
	} else {
		fmt.Fprintf(&b, "PVC annotations now:\n")
		for _, key := range []string{Use, Trigger, Latest, Status, Since} {
			if value, is := claim.Annotations[key]; is {
				fmt.Fprintf(&b, "  %s: %q\n", key, value)
			}
		}
	}
	fmt.Fprintf(&b, "copies made: %v\n", s.copies.names())
	list, err := shared.dynamic.Resource(sources).Namespace(s.Namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		for _, item := range list.Items {
			fmt.Fprintf(&b, "ReplicationSource %s: %v\n", item.GetName(), item.Object["status"])
		}
	}
	return b.String()
}
