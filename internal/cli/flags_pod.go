package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/step"
)

// podFlags choose the application's pod, for commands in it.
type podFlags struct {
	pod         string
	podSelector string
	container   string
}

func (f *podFlags) flags() []cli.Flag {
	return []cli.Flag{
		text(&f.pod, "pod", "`NAME` of the application's pod (default: the running pod that mounts the claims)"),
		text(&f.podSelector, "pod-selector", "labels of the application's pod, as `SELECTOR` of kubectl"),
		text(&f.container, "container", "`NAME` of its container (default: the one that mounts the claims)", "c"),
	}
}

func (f *podFlags) check(*cli.Context) error {
	switch {
	case f.pod != "" && len(validation.IsDNS1123Subdomain(f.pod)) > 0:
		return usageError{fmt.Errorf("--pod %q is not a pod's name", f.pod), notAName}
	case f.container != "" && len(validation.IsDNS1123Label(f.container)) > 0:
		return usageError{fmt.Errorf("--container %q is not a container's name", f.container), notAName}
	case f.pod != "" && f.podSelector != "":
		return usageError{errors.New("--pod and --pod-selector are given"), "give one of them"}
	}
	if _, err := labels.Parse(f.podSelector); err != nil {
		return usageError{fmt.Errorf("--pod-selector %q cannot be read: %w", f.podSelector, err),
			"give labels as kubectl takes them: app=db,tier=data"}
	}
	return nil
}

// given reports whether one of the flags is.
func (f *podFlags) given() bool { return f.pod != "" || f.podSelector != "" || f.container != "" }

// in returns the application's pod on the cluster of a command, for commands with an environment.
func (f *podFlags) in(m *program, cluster *clusterFlags, s step.Step, env []string) quiesce.Pod {
	return quiesce.Pod{
		Cluster: quiesce.InCluster{
			Exec:   podexec.Exec{Config: cluster.connected.Config, Out: m.stderr},
			Pods:   pods.ApplicationIn(cluster.connected.Dynamic, s.Namespace),
			Wanted: pods.Wanted{Claims: s.Group, Name: f.pod, Selector: f.podSelector, Container: f.container},
		},
		Env: env, Log: m.log,
	}
}

// inPodFlags are of the commands whose user's commands run here, or in the application's pod.
type inPodFlags struct {
	inPod bool
	podFlags
}

func (f *inPodFlags) flags() []cli.Flag {
	return append([]cli.Flag{boolean(&f.inPod, "in-pod",
		"run the commands in the application's pod; nobody can end them there, so each should have a limit of its own")},
		f.podFlags.flags()...)
}

func (f *inPodFlags) check(c *cli.Context) error {
	if !f.inPod && f.given() {
		return usageError{errors.New("--pod, --pod-selector or --container is given without --in-pod"),
			"give --in-pod, or leave them out"}
	}
	return f.podFlags.check(c)
}

// ours are the variables of an environment that a command in a pod gets: the others are of this
// machine.
func ours(env []string) (some []string) {
	for _, name := range []string{"run-id", "namespace", "pvcs", "max-freeze-seconds"} {
		for _, kv := range env {
			if strings.HasPrefix(kv, envPrefix(name)) {
				some = append(some, kv)
			}
		}
	}
	return some
}

// environmentInPod returns what the command of exec gets. What is set is of the whole run, which may
// have more claims than this pod.
func environmentInPod(s step.Step) []string {
	vars := ours(os.Environ())
	for _, kv := range []string{envPrefix("namespace") + s.Namespace, envPrefix("pvcs") + strings.Join(s.Group, " ")} {
		name, _, _ := strings.Cut(kv, "=")
		if os.Getenv(name) == "" {
			vars = append(vars, kv)
		}
	}
	return vars
}

func envPrefix(name string) string { return env(name)[0] + "=" }
