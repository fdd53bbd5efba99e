package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	counts    map[string]map[string]int
	timelines map[*Timeline]bool
}

// NewCampaign returns one in which nothing has happened.
func NewCampaign() *Campaign {
	return &Campaign{counts: map[string]map[string]int{}, timelines: map[*Timeline]bool{}}
}

func (c *Campaign) count(of, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[of] == nil {
		c.counts[of] = map[string]int{}
	}
	c.counts[of][what]++
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
	c.count("seeds", fmt.Sprintf("seed %d", v.Plan.Seed))
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

// Table is what happened and what was found, in markdown.
func (c *Campaign) Table() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	fmt.Fprintf(&b, "The last campaign, of %s; %s:\n\n| | coordinations |\n|---|---|\n",
		time.Now().Format(time.DateOnly), strings.Join(sorted(c.counts["seeds"]), ", "))
	for _, name := range []string{
		"coordinations", "with a good copy", "cleaned up at the end by who was told", "spoilt by a late command",
	} {
		row(strings.Replace(name, "coordinations", "all", 1), fmt.Sprint(c.counts["totals"][name]))
	}
	for _, k := range Kinds() {
		row("**"+string(k)+"**", fmt.Sprintf("**%d**", c.counts["found"][string(k)]))
	}
	c.cross(&b, "scene", "coordinations")
	c.cross(&b, "form \\ exit code", "endings")
	b.WriteString("\n| faults and signals | times |\n|---|---|\n")
	for _, of := range []string{"faults", "signals"} {
		for _, name := range sorted(c.counts[of]) {
			row(name, fmt.Sprint(c.counts[of][name]))
		}
	}
	return b.String()
}

// cross is a table of counts that have two names each.
func (c *Campaign) cross(b *strings.Builder, title, of string) {
	rows, columns := map[string]int{}, map[string]int{}
	for name := range c.counts[of] {
		row, column, _ := strings.Cut(name, "\t")
		rows[row], columns[column] = 0, 0
	}
	fmt.Fprintf(b, "\n| %s | %s |\n|---|%s\n",
		title, strings.Join(sorted(columns), " | "), strings.Repeat("---|", len(columns)))
	for _, row := range sorted(rows) {
		var cells []string
		for _, column := range sorted(columns) {
			cell := ""
			if n := c.counts[of][row+"\t"+column]; n > 0 {
				cell = fmt.Sprint(n)
			}
			cells = append(cells, cell)
		}
		fmt.Fprintf(b, "| %s | %s |\n", row, strings.Join(cells, " | "))
	}
}

// sorted are the names, numbers by their size.
func sorted(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(a) - len(b); d != 0 && isNumber(a) && isNumber(b) {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }
