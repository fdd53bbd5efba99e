package cluster

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// CompleteJob plays the node: it lets the Job's pod succeed, as a kubelet would report
// it, and waits until the real job controller has drawn its conclusion. A Job or a pod
// that does not exist yet is waited for.
func (c *Cluster) CompleteJob(ctx context.Context, namespace, name string) error {
	pod, err := c.podOf(ctx, namespace, name)
	if err != nil {
		return err
	}
	patch := []byte(
		fmt.Sprintf(`{"status": {"phase": "Succeeded", "startTime": %q}}`, time.Now().UTC().Format(time.RFC3339)),
	)
	_, err = c.client.CoreV1().
		Pods(namespace).
		Patch(ctx, pod, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("letting pod %s/%s succeed: %w", namespace, pod, err)
	}
	jobs := cache.NewListWatchFromClient(c.client.BatchV1().RESTClient(), "jobs", namespace,
		fields.OneTermEqualSelector("metadata.name", name))
	_, err = watchtools.UntilWithSync(ctx, jobs, &batchv1.Job{}, nil, func(e watch.Event) (bool, error) {
		if e.Type == watch.Deleted {
			return true, nil // its owner has seen it complete, and cleaned up
		}
		job, ok := e.Object.(*batchv1.Job)
		return ok && complete(job), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for job %s/%s to complete: %w", namespace, name, err)
	}
	return nil
}

func complete(job *batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobComplete && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// podOf waits for a pod of the Job that has not ended.
func (c *Cluster) podOf(ctx context.Context, namespace, job string) (string, error) {
	pods := cache.NewFilteredListWatchFromClient(
		c.client.CoreV1().RESTClient(),
		"pods",
		namespace,
		func(o *metav1.ListOptions) {
			o.LabelSelector = batchv1.JobNameLabel + "=" + job
		},
	)
	last, err := watchtools.UntilWithSync(ctx, pods, &corev1.Pod{}, nil, func(e watch.Event) (bool, error) {
		pod, ok := e.Object.(*corev1.Pod)
		return ok && e.Type != watch.Deleted && pod.DeletionTimestamp == nil &&
			(pod.Status.Phase == corev1.PodPending || pod.Status.Phase == corev1.PodRunning), nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting for a pod of job %s/%s: %w", namespace, job, err)
	}
	return last.Object.(*corev1.Pod).Name, nil
}
