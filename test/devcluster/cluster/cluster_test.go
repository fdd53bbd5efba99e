package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// One cluster serves all: each test has a namespace of its own. Only the pace is the
// whole cluster's, therefore they run one after the other.
func TestCluster(t *testing.T) {
	requireCluster(t)
	c, err := Up(t.Context(), Options{Dir: t.TempDir(), Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, test := range map[string]func(*testing.T, *Cluster){
		"loopback":      testLoopbackOnly,
		"rbac":          testRBAC,
		"podsecurity":   testPodSecurity,
		"backup":        testBackup,
		"held cut":      testHeldCut,
		"held clone":    testHeldClone,
		"late":          testLateReadiness,
		"lost look":     testLostLook,
		"killed":        testKilledVolsync,
		"paused":        testPausedVolsync,
		"killed driver": testKilledDriver,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Wait(ctx); err != ctx.Err() {
		t.Errorf("waiting for the cluster: got %v", err)
	}
}

func testRBAC(t *testing.T, c *Cluster) {
	s := newSite(t, c, "rbac")
	s.must(c.defaultAccount(s.ctx, "rbac"))
	path := t.TempDir() + "/kubeconfig"
	s.must(c.ServiceAccountKubeconfig(s.ctx, "rbac", "default", path))
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, nil)
	namespace, _, err := loader.Namespace()
	if err != nil || namespace != "rbac" {
		t.Errorf("got namespace %q, %v", namespace, err)
	}
	config, err := loader.ClientConfig()
	s.must(err)
	client, err := kubernetes.NewForConfig(config)
	s.must(err)
	_, err = client.CoreV1().PersistentVolumeClaims("rbac").Get(s.ctx, "data", metav1.GetOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("a service account without rights: got %v, want forbidden", err)
	}
}

func testPodSecurity(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := &site{Cluster: c, t: t, ctx: ctx, namespace: "podsecurity"}
	s.must(s.createNamespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}))
	s.must(c.defaultAccount(ctx, s.namespace))
	privileged := true
	_, err := c.client.CoreV1().Pods(s.namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "c", Image: "none", SecurityContext: &corev1.SecurityContext{Privileged: &privileged},
		}}},
	}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("got %v, want forbidden by PodSecurity", err)
	}
}
