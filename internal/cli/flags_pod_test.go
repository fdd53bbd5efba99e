package cli

import (
	"reflect"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/step"
)

// A pod's name may have dots, as that of a StatefulSet's; a container's may not. Each of the flags is for
// a command in a pod alone.
func TestPodFlags(t *testing.T) {
	noEnv(t)
	if _, err := parsed("exec", "--pvc", "a", "--pod", "db.example-0", "--container", "db", "--", "true"); err != nil {
		t.Error(err)
	}
	exec := func(flags ...string) []string {
		return append(append([]string{"exec", "--pvc", "a"}, flags...), "--", "true")
	}
	refuses(t, map[string]refusal{
		"a pod's name":       {args: exec("--pod", "db_0"), says: `--pod "db_0" is not a pod's name`},
		"a container's name": {args: exec("--container", "d.b"), says: `--container "d.b" is not a container's name`},
		"pod and labels": {
			args: exec("--pod", "db-0", "--pod-selector", "app=db"),
			says: "--pod and --pod-selector are given", hint: "one of them",
		},
		"labels": {args: exec("--pod-selector", "a=b=c"), says: `--pod-selector "a=b=c" cannot be read`, hint: "app=db"},
	})
	for _, flag := range []string{"--pod", "--pod-selector", "--container"} {
		refuses(t, map[string]refusal{flag: {
			args: []string{"run", "--pvc", "a", "--quiesce", "true", "--unquiesce", "true", flag, "x"},
			says: "is given without --in-pod", hint: "give --in-pod",
		}})
	}
}

// The pod that is looked for is the one that the flags say, and what its commands say is no result.
func TestPodOfFlags(t *testing.T) {
	config := &rest.Config{Host: "http://api"}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	m := newProgram(nil, nil, withSignals())
	cluster := &clusterFlags{connected: kube.Cluster{Config: config, Dynamic: client}}
	f := podFlags{pod: "db-0", podSelector: "app=db", container: "db"}
	env := []string{"COPYTRIGGER_RUN_ID=r"}
	got := f.in(m, cluster, step.Step{Namespace: "app", Group: []string{"data", "wal"}}, env)
	want := pods.Wanted{Claims: []string{"data", "wal"}, Name: "db-0", Selector: "app=db", Container: "db"}
	in, _ := got.Cluster.(quiesce.InCluster)
	if !reflect.DeepEqual(in.Wanted, want) || !reflect.DeepEqual(got.Env, env) || got.Log != m.log {
		t.Errorf("got %+v", got)
	}
	if in.Exec.Out != m.stderr || in.Exec.Config != config {
		t.Error("its commands are run elsewhere, or say it elsewhere")
	}
}
