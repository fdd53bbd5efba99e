package main

import (
	"context"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisioner makes a PersistentVolume for each claim: external-provisioner's work.
type provisioner struct {
	driver *driver
	kube   kubernetes.Interface
	dyn    dynamic.Interface
}

// loop asks p for what claims want, and takes away what nobody wants any more. It goes on
// until it has that, as external-provisioner does: by default the library gives a claim up
// after 15 answers that are none, and a clone that is held for half a minute has as many.
func (p *provisioner) loop(ctx context.Context) *controller.ProvisionController {
	return controller.NewProvisionController(ctx, p.kube, driverName, p,
		controller.LeaderElection(false),
		controller.Threadiness(16),
		controller.RateLimiter(provisionRetries()),
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	)
}

// provisionRetries is short: the usual ones, made for storage far away, begin at
// fifteen seconds.
func provisionRetries() workqueue.TypedRateLimiter[string] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, time.Second)
}

// Provision gives up its worker after a second, so that a slow clone does not keep
// other claims waiting; the library asks again until the volume is there.
func (p *provisioner) Provision(
	ctx context.Context,
	o controller.ProvisionOptions,
) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	source, err := p.source(ctx, o.PVC)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	size := o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]
	r, err := p.driver.CreateVolume(ctx, &csi.CreateVolumeRequest{
		Name:                o.PVName,
		CapacityRange:       &csi.CapacityRange{RequiredBytes: size.Value()},
		Parameters:          o.StorageClass.Parameters,
		VolumeContentSource: source,
	})
	if status.Code(err) == codes.Aborted {
		return nil, controller.ProvisioningInBackground, err
	}
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return persistentVolume(o, r.Volume), controller.ProvisioningFinished, nil
}

// Delete removes the volume of a released PersistentVolume.
func (p *provisioner) Delete(ctx context.Context, pv *corev1.PersistentVolume) error {
	_, err := p.driver.DeleteVolume(ctx, &csi.DeleteVolumeRequest{VolumeId: pv.Spec.CSI.VolumeHandle})
	return err
}

func persistentVolume(o controller.ProvisionOptions, v *csi.Volume) *corev1.PersistentVolume {
	policy := corev1.PersistentVolumeReclaimDelete
	if o.StorageClass.ReclaimPolicy != nil {
		policy = *o.StorageClass.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    o.PVC.Spec.VolumeMode,
			StorageClassName:              o.StorageClass.Name,
			PersistentVolumeReclaimPolicy: policy,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: *resource.NewQuantity(v.CapacityBytes, resource.BinarySI),
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: driverName, VolumeHandle: v.VolumeId},
			},
		},
	}
}
