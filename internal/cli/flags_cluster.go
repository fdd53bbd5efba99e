package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/events"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// clusterFlags are of every command that talks to a cluster. The names are kubectl's.
type clusterFlags struct {
	outputFlags
	namespace  string
	kubeconfig string
	context    string

	connected kube.Cluster // once it is
}

// flags returns the flags; what says whose namespace is meant: the claim's or the pods'.
func (f *clusterFlags) flags(what string) []cli.Flag {
	return append(f.whichCluster(what), f.outputFlags.flags()...)
}

// whichCluster returns the flags without those of results.
func (f *clusterFlags) whichCluster(what string) []cli.Flag {
	return []cli.Flag{
		text(&f.namespace, "namespace",
			"`NAMESPACE` of the "+what+" (default: the context's, in a pod the pod's own)", "n"),
		text(&f.kubeconfig, "kubeconfig", "`FILE` to use (default: as kubectl; in a pod its service account)"),
		text(&f.context, "context", "`NAME` of the kubeconfig context"),
	}
}

// notAName is the hint for what cannot be the name of an object. The server is not asked:
// as a part of a URL it might mean another object ("..", "a/b").
const notAName = `was a variable of the pipeline not expanded? a name has lower case letters, digits and "-"`

// check leaves the directory for results to [outputFlags.check], which a command calls last.
func (f *clusterFlags) check(c *cli.Context) error {
	switch {
	case f.namespace == "" && c.IsSet("namespace"):
		// The default would be another claim of the same name, in another namespace.
		return usageError{errors.New("--namespace is empty"),
			"was a parameter of the pipeline not given? leave it out for the context's or the pod's own namespace"}
	case f.namespace != "" && len(validation.IsDNS1123Label(f.namespace)) > 0:
		return usageError{fmt.Errorf("--namespace %q is not a namespace's name", f.namespace), notAName}
	}
	return nil
}

// connect returns a step on the cluster, which a command completes. From now on the log says
// the namespace.
func (f *clusterFlags) connect(m *program, version string) (step.Step, error) {
	cluster, err := kube.Connect(f.where(version))
	if errors.Is(err, kube.ErrNowhere) {
		return step.Step{}, usageError{err, "set KUBECONFIG or --kubeconfig, or run in a pod with a service account"}
	}
	if err != nil {
		return step.Step{}, usageError{err, "check --kubeconfig and --context"}
	}
	f.connected = cluster
	m.log = m.log.With("namespace", cluster.Namespace)
	m.events = events.In(cluster.Dynamic, cluster.Metadata, cluster.Namespace, func(err error) {
		m.log.Info("an Event could not be written: " + err.Error())
	})
	return step.Step{
		Claims:    pvc.In(cluster.Metadata, cluster.Namespace, "copytrigger"),
		VolSync:   volsync.In(cluster.Dynamic, cluster.Metadata, cluster.Namespace, "copytrigger"),
		Pods:      pods.In(cluster.Metadata, cluster.Namespace),
		Events:    m.events,
		Namespace: cluster.Namespace,
		Process:   newID()[:8],
		Cluster:   f.named(),
		Log:       m.log,
	}, nil
}

// named returns the flags that name the cluster; kubectl has the same.
func (f *clusterFlags) named() (flags []string) {
	if f.kubeconfig != "" {
		flags = append(flags, "--kubeconfig", f.kubeconfig)
	}
	if f.context != "" {
		flags = append(flags, "--context", f.context)
	}
	return flags
}

func (f *clusterFlags) where(version string) kube.Where {
	return kube.Where{
		Kubeconfig: f.kubeconfig, Context: f.context, Namespace: f.namespace, UserAgent: "copytrigger/" + version,
	}
}
