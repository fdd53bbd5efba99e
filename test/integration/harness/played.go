package harness

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Played is many claims on the real API server, with VolSync's part played by the test: nothing is
// provisioned and nothing is copied. VolSync itself must not run.
type Played struct {
	*Site
	claims []string
}

// bound says that a claim has a volume; the API server's word is not asked for it.
const bound = "pv.kubernetes.io/bind-completed"

// Played makes n claims, each with a ReplicationSource, on none of which VolSync waits.
func (s *Site) Played(n int) *Played {
	s.Helper()
	p := &Played{Site: s}
	for i := range n {
		p.claims = append(p.claims, fmt.Sprintf("played-%04d", i))
	}
	class := "played"
	p.each(func(claim string) error {
		_, err := shared.client.CoreV1().PersistentVolumeClaims(s.Namespace).Create(s.Ctx, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: claim, Annotations: map[string]string{Use: "", bound: "yes"}},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: &class, VolumeName: claim,
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceStorage: resource.MustParse("1Gi"),
				}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		_, err = shared.dynamic.Resource(sources).Namespace(s.Namespace).
			Create(s.Ctx, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
				"metadata": map[string]any{"name": claim},
				"spec": map[string]any{
					"sourcePVC": claim, "trigger": map[string]any{"manual": "first"},
					"restic": map[string]any{"repository": "mover", "copyMethod": "Snapshot"},
				},
			}}, metav1.CreateOptions{})
		return err
	})
	// The controller finds that the volume is not there. That is its last word.
	p.each(func(claim string) error {
		s.until(claims, claim, "lost", func(o object) bool { return o.text("status", "phase") == "Lost" })
		return nil
	})
	role := LeastRole()
	for i := range role {
		switch {
		case slices.Equal(role[i].ResourceNames, []string{Claim}):
			role[i].ResourceNames = p.claims
		case slices.Equal(role[i].ResourceNames, []string{CopyName}):
			role[i].ResourceNames = nil
			for _, claim := range p.claims {
				role[i].ResourceNames = append(role[i].ResourceNames, "volsync-"+claim+"-src")
			}
		}
	}
	p.Kubeconfig = s.Account("copytrigger-played", role)
	return p
}

// each does something for all claims, some at a time.
func (p *Played) each(f func(claim string) error) {
	p.Helper()
	const atOnce = 8
	var running sync.WaitGroup
	errs := make([]error, atOnce)
	for worker := range atOnce {
		running.Go(func() {
			for i := worker; i < len(p.claims) && errs[worker] == nil; i += atOnce {
				errs[worker] = f(p.claims[i])
			}
		})
	}
	running.Wait()
	for _, err := range errs {
		p.Must(err)
	}
}

// Wait lets VolSync begin to wait on all claims, as it does: the sync first, then the claim. It
// returns when it did so on the last.
func (p *Played) Wait() time.Time {
	p.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	status := p.json(map[string]any{"status": map[string]any{"lastSyncStartTime": now}})
	waiting := p.json(map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{Status: Waiting, Since: now},
	}})
	p.each(func(claim string) error {
		_, err := shared.dynamic.Resource(sources).Namespace(p.Namespace).
			Patch(p.Ctx, claim, types.MergePatchType, status, metav1.PatchOptions{}, "status")
		if err != nil {
			return err
		}
		_, err = shared.client.CoreV1().PersistentVolumeClaims(p.Namespace).
			Patch(p.Ctx, claim, types.MergePatchType, waiting, metav1.PatchOptions{})
		return err
	})
	return time.Now()
}

// Count is how many claims have an annotation with a value.
func (p *Played) Count(key, value string) (n int) {
	p.Helper()
	list, err := shared.client.CoreV1().PersistentVolumeClaims(p.Namespace).List(p.Ctx, metav1.ListOptions{})
	p.Must(err)
	for _, claim := range list.Items {
		if claim.Annotations[key] == value {
			n++
		}
	}
	return n
}

// StartAll starts a command of the program on all claims.
func (p *Played) StartAll(command string, args ...string) *Process {
	p.Helper()
	line := []string{command}
	for _, claim := range p.claims {
		line = append(line, "--pvc", claim)
	}
	return p.StartRaw(append(line, args...)...)
}

func (p *Played) json(v any) []byte {
	p.Helper()
	text, err := json.Marshal(v)
	p.Must(err)
	return text
}

// Size is how many claims there are.
func (p *Played) Size() int { return len(p.claims) }
