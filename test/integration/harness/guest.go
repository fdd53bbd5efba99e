package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// runLabel has every namespace of a run in a cluster that is not ours, and the run's name.
const runLabel = "copytrigger.test/run"

// finalizer keeps what a test begins to delete.
const finalizer = "copytrigger.test/hold"

// guest is a run in a cluster that somebody else runs: what is there of it is in namespaces
// of its own, and goes with them.
type guest struct {
	client  kubernetes.Interface
	dynamic dynamic.Interface
	context string
	run     string // the value of runLabel
	classes classesOf

	making sync.RWMutex // held for reading while a namespace is made
}

func newGuest(c *cluster.Cluster, context string) (*guest, error) {
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfig(c.RESTConfig())
	if err != nil {
		return nil, err
	}
	return &guest{client: client, dynamic: dyn, context: context, run: rand.String(8)}, nil
}

func (g *guest) selector() string { return runLabel + "=" + g.run }

// command deletes what is left of the run, for a shell.
func (g *guest) command() string {
	return fmt.Sprintf("KUBECONFIG=%s kubectl --context=%s delete namespace --selector=%s",
		quoted(os.Getenv(kubeconfigEnv)), quoted(g.context), g.selector())
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// namespace makes a namespace for a test.
func (w *world) namespace(ctx context.Context, test string) (string, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "it-", Annotations: map[string]string{"copytrigger.test/name": test},
	}}
	if g := w.guest; g != nil {
		g.making.RLock() // for ever, if the run is being ended
		defer g.making.RUnlock()
		ns.GenerateName, ns.Labels = "copytrigger-test-", map[string]string{runLabel: g.run}
	}
	made, err := w.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return made.Name, nil
}

// stay runs the tests, leaves, and says how many ran.
func (g *guest) stay(m *testing.M, tests *tally) (code int, err error) {
	g.leaveOnSignal()
	code = m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), leaving)
	defer cancel()
	err = g.leave(ctx)
	sum := tests.counts(suite())
	if file := os.Getenv(tallyEnv); file != "" {
		var failed error
		sum, failed = sum.upon(file)
		err = errors.Join(err, failed)
	}
	fmt.Fprintln(os.Stderr, sum)
	return code, err
}

// leave deletes the namespaces that are left of the run, lets no test make more, and waits
// until they are gone.
func (g *guest) leave(ctx context.Context) error {
	g.making.Lock()
	left, err := g.left(ctx)
	for _, ns := range left {
		err = errors.Join(err, g.remove(ctx, ns))
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		now, failed := g.left(ctx)
		if failed == nil && len(now) == 0 {
			return nil
		}
		if failed == nil {
			left = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf(
				"left in the cluster: %s (%w)\n\t%s",
				strings.Join(left, ", "),
				errors.Join(err, failed, ctx.Err()),
				g.command(),
			)
		case <-tick.C:
		}
	}
}

// left are the namespaces of the run that are there.
func (g *guest) left(ctx context.Context) ([]string, error) {
	list, err := g.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: g.selector()})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ns := range list.Items {
		names = append(names, ns.Name)
	}
	return names, nil
}

// remove deletes a namespace, and lets go what a test that has not ended keeps in it.
func (g *guest) remove(ctx context.Context, namespace string) error {
	var all error
	for _, r := range []schema.GroupVersionResource{claims, sources} {
		of := g.dynamic.Resource(r).Namespace(namespace)
		list, err := of.List(ctx, metav1.ListOptions{})
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		for _, o := range list.Items {
			kept := slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == finalizer })
			if len(kept) == len(o.GetFinalizers()) {
				continue
			}
			patch, err := json.Marshal(
				map[string]any{"metadata": map[string]any{"finalizers": kept, "resourceVersion": o.GetResourceVersion()}},
			)
			if err == nil {
				_, err = of.Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
			}
			if !apierrors.IsNotFound(err) {
				all = errors.Join(all, err)
			}
		}
	}
	err := g.client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it is going already
		err = nil
	}
	return errors.Join(all, err)
}

// leaveOnSignal lets SIGINT and SIGTERM end the run as its end would: nothing else does it
// then. A second one ends it at once.
func (g *guest) leaveOnSignal() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		first := <-signals
		fmt.Fprintf(os.Stderr, "%s: %v: deleting the namespaces of this run\n", suite(), first)
		ctx, cancel := context.WithTimeout(context.Background(), leaving)
		defer cancel()
		go func() {
			<-signals
			fmt.Fprintf(os.Stderr, "%s: what is left is deleted by\n\t%s\n", suite(), g.command())
			os.Exit(1)
		}()
		if err := g.leave(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", suite(), err)
		}
		os.Exit(1)
	}()
}

// leaving is how long a cluster may take to delete namespaces: their volumes go with them.
const leaving = 10 * time.Minute
