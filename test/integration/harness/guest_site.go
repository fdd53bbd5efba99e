package harness

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// StorageClass is that of the claims; nil, the default one, in a cluster of ours.
func StorageClass() *string {
	if Ours() {
		return nil
	}
	return &shared.guest.classes.storage
}

// SnapshotClass is that of the copies which a test says nothing else of; "", the default one,
// in a cluster of ours.
func SnapshotClass() string {
	if Ours() {
		return ""
	}
	return shared.guest.classes.snapshot
}

// bind starts a pod that wants the claim, where the storage waits for one, and deletes it when
// it has the claim.
func (s *Site) bind() {
	s.Helper()
	if Ours() || !shared.guest.classes.late {
		return
	}
	const name = "consumer"
	pods := shared.client.CoreV1().Pods(s.Namespace)
	yes, no, user := true, false, int64(65532)
	_, err := pods.Create(s.Ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "consumer", Image: AppImage(), Command: []string{"sleep", "infinity"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: s.claim},
			}}},
		},
	}, metav1.CreateOptions{})
	s.Must(err)
	isBound := func(o object) bool { return o.text("status", "phase") == "Bound" }
	s.until(claims, s.claim, "bound, as a pod wants it", isBound)
	now := int64(0)
	s.Must(pods.Delete(s.Ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now}))
}

// reclass gives snapshots of a class that is not there the class of the others, those that
// come yet too: until the test ends.
func (s *Site) reclass(held string) {
	s.Helper()
	patch := []byte(`{"spec": {"volumeSnapshotClassName": "` + SnapshotClass() + `"}}`)
	of := shared.dynamic.Resource(snapshots).Namespace(s.Namespace)
	ctx, cancel := context.WithCancel(s.Ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			w, err := of.Watch(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for e := range w.ResultChan() {
				u, ok := e.Object.(*unstructured.Unstructured)
				if ok && (object{u}).text("spec", "volumeSnapshotClassName") == held {
					if _, err := of.Patch(ctx, u.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
						s.Logf("giving snapshot %s another class: %v", u.GetName(), err)
					}
				}
			}
			w.Stop()
		}
	})
	s.Cleanup(func() { cancel(); running.Wait() })
}

// nowhere keeps VolSync's movers from running, with or without nodes: tests say themselves when
// one has ended (FinishSync).
func nowhere() map[string]any {
	return map[string]any{"nodeAffinity": map[string]any{"requiredDuringSchedulingIgnoredDuringExecution": map[string]any{
		"nodeSelectorTerms": []any{map[string]any{"matchExpressions": []any{
			map[string]any{"key": "copytrigger.test/nowhere", "operator": "Exists"},
		}}},
	}}}
}
