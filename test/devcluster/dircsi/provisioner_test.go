package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// A clone is made in the end, however long it was held. In the bubble a minute takes no time.
func TestHeldCloneIsNotGivenUp(t *testing.T) {
	// One of them sleeps until the next second of the clock outside.
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = nil
	defer func() { utilruntime.ErrorHandlers = handlers }()
	synctest.Test(t, func(t *testing.T) {
		d := newTestDriver(t)
		d.setPace(t, pace.Pace{CutDelay: time.Hour})
		class := driverName
		source := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "source", UID: "1"},
			Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: &class, VolumeName: "pv"},
			Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
		}
		clone := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "n", Name: "clone", UID: "2",
				Annotations: map[string]string{"volume.kubernetes.io/storage-provisioner": driverName},
			},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: &class,
				DataSource:       &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: "source"},
			},
		}
		volume := &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: "pv"},
			Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: driverName, VolumeHandle: "v"},
			}},
		}
		kube := fake.NewClientset(source, clone, volume,
			&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: driverName})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := &provisioner{driver: d, kube: kube}
		go p.loop(ctx).Run(ctx)
		made := func() bool {
			_, err := kube.CoreV1().PersistentVolumes().Get(ctx, "pvc-2", metav1.GetOptions{})
			return err == nil
		}
		time.Sleep(time.Minute)
		if made() {
			t.Fatal("the clone was not held: this test shows nothing")
		}
		d.setPace(t, pace.Pace{})
		time.Sleep(time.Minute)
		if !made() {
			t.Error("nobody asks for the clone any more")
		}
	})
}
