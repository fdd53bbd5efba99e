package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// What applying the claim's manifest once more, in the middle of a run, does to the annotations: the
// rows of kubectl in docs/operations.md.
func TestGitOps(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skipf("the rows of kubectl need kubectl: %v", err)
	}
	for name, c := range map[string]struct {
		first, again          []string // how the manifest is brought in
		inManifest            bool     // it has use-copy-trigger; else only kubectl annotate has set it
		keepsUse, keepsOthers bool
	}{
		"apply": {
			first:      []string{"apply"},
			again:      []string{"apply"},
			inManifest: true, keepsUse: true, keepsOthers: true,
		},
		"apply, not in the manifest": {
			first:    []string{"apply"},
			again:    []string{"apply"},
			keepsUse: true, keepsOthers: true,
		},
		"server-side apply": {
			first:      []string{"apply", "--server-side", "--field-manager=gitops"},
			again:      []string{"apply", "--server-side", "--field-manager=gitops", "--force-conflicts"},
			inManifest: true, keepsUse: true, keepsOthers: true,
		},
		"server-side apply, not in the manifest": {
			first:    []string{"apply", "--server-side", "--field-manager=gitops"},
			again:    []string{"apply", "--server-side", "--field-manager=gitops", "--force-conflicts"},
			keepsUse: true, keepsOthers: true,
		},
		"replace": {
			first:      []string{"create"},
			again:      []string{"replace"},
			inManifest: true, keepsUse: true,
		},
		"replace, not in the manifest": {
			first: []string{"create"},
			again: []string{"replace"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.New(t).AsAdmin()
			annotation := ""
			if c.inManifest {
				annotation = fmt.Sprintf("annotations: {%s: \"true\"}", harness.Use)
			}
			// No class makes volumes for it, so that nobody else writes it.
			manifest := fmt.Sprintf(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: gitops, %s}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: nobody
  volumeMode: Filesystem
  resources: {requests: {storage: 1Gi}}
`, annotation)
			run := func(words ...string) {
				t.Helper()
				cmd := exec.CommandContext(s.Ctx, kubectl, append(words, "--namespace", s.Namespace)...)
				cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig)
				cmd.Stdin = strings.NewReader(manifest)
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("kubectl %s: %v\n%s", strings.Join(words, " "), err, said)
				}
			}
			run(append(c.first, "--filename=-")...)
			if !c.inManifest {
				run("annotate", "pvc", "gitops", harness.Use+"=true")
			}
			others := map[string]string{
				harness.Trigger: "copytrigger", harness.LockedBy: "copytrigger", "volsync.backube/latest-copy-status": "manager",
			}
			claims := s.Kube().CoreV1().PersistentVolumeClaims(s.Namespace)
			for key, manager := range others {
				_, err := claims.Patch(s.Ctx, "gitops", types.MergePatchType,
					fmt.Appendf(nil, `{"metadata": {"annotations": {%q: "x"}}}`, key), metav1.PatchOptions{FieldManager: manager})
				s.Must(err)
			}
			run(append(c.again, "--filename=-")...)
			left, err := claims.Get(s.Ctx, "gitops", metav1.GetOptions{})
			s.Must(err)
			if _, kept := left.Annotations[harness.Use]; kept != c.keepsUse {
				t.Errorf("%s is left: %v", harness.Use, kept)
			}
			for key := range others {
				if _, kept := left.Annotations[key]; kept != c.keepsOthers {
					t.Errorf("%s is left: %v", key, kept)
				}
			}
		})
	}
}
