package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// driver is the cluster's CSI driver.
const driver = "dir.csi.copytrigger.test"

// Prepare makes the classes of [Storages].
func Prepare(ctx context.Context, c *cluster.Cluster) error {
	dyn, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return err
	}
	classes := snapshots().GroupVersion().WithResource("volumesnapshotclasses")
	for name, pace := range Storages() {
		parameters := map[string]any{}
		for key, value := range pace {
			parameters[key] = value
		}
		class := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": classes.GroupVersion().String(), "kind": "VolumeSnapshotClass", "parameters": parameters,
			"metadata": map[string]any{"name": name}, "driver": driver, "deletionPolicy": "Delete",
		}}
		_, err := dyn.Resource(classes).Create(ctx, class, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		_, err = client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: driver, Parameters: pace,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// Campaign is many coordinations side by side.
type Campaign struct {
	volsync sync.Mutex // held while VolSync is away

	mu        sync.Mutex
	counts    Counts
	timelines map[*Timeline]bool
}

// NewCampaign returns one in which nothing has happened.
func NewCampaign() *Campaign {
	return &Campaign{counts: Counts{}, timelines: map[*Timeline]bool{}}
}

func (c *Campaign) count(of, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.add(of, what, 1)
}

// watchOver lets a timeline hear of what happens to all, until it is told otherwise.
func (c *Campaign) watchOver(t *Timeline) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timelines[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timelines, t)
	}
}

func (c *Campaign) tellAll(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.timelines {
		t.Add("volsync", "%s", what)
	}
}

// killVolSync kills VolSync's manager, whom all coordinations have in common.
func (c *Campaign) killVolSync(s *harness.Site, down time.Duration) error {
	c.volsync.Lock()
	defer c.volsync.Unlock()
	manager := s.Cluster().Component("volsync")
	if err := manager.Kill(s.Ctx); err != nil {
		return err
	}
	c.tellAll("IS KILLED")
	time.Sleep(down)
	err := manager.Start(s.Ctx)
	c.tellAll("runs again")
	return err
}

// Note counts what was found.
func (c *Campaign) Note(v Verdict) {
	c.count("coordinations", fmt.Sprintf("%s\t%s", v.Plan.Scene, v.Plan.Method))
	c.count("totals", "coordinations")
	c.count("seeds", fmt.Sprint(v.Plan.Seed))
	if v.Good() {
		c.count("totals", "with a good copy")
	}
	for range v.Late {
		c.count("totals", "spoilt by a late command")
	}
	if v.Cleaned > 0 {
		c.count("totals", "cleaned up at the end by who was told")
	}
	for _, k := range Kinds() {
		if v.Has(k) {
			c.count("found", string(k))
		}
	}
}

// Counts returns what was counted so far.
func (c *Campaign) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{}.plus(c.counts)
}
