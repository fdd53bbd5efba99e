package events

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

const (
	resync = "copytrigger/resync"
	source = "eventsource-name=volsync-waiting"
	sensor = "sensor-name=quiesced-copy"
	since  = "volsync.backube/latest-copy-trigger-waiting-since"
	// interval is between two resyncs of the tests.
	interval = time.Minute
)

// site is a namespace with the shipped WorkflowTemplates and an event bus.
type site struct{ *application.Site }

func newSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{application.New(t, dir)}
	s.bus()
	harness.LogIfFailed(t, s.report)
	return s
}

// bus makes the namespace's EventBus: JetStream on a NATS server of its own. Argo Events insists
// on TLS, and looks at no certificate. One that it installs itself needs DNS, which is not here.
func (s *site) bus() {
	s.Helper()
	certificate, key := s.certificate()
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "nats"},
		"stringData": map[string]any{"tls.crt": certificate, "tls.key": key},
	}}, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "nats"},
		"spec": map[string]any{
			"securityContext": map[string]any{
				"runAsNonRoot": true, "runAsUser": int64(65532), "seccompProfile": map[string]any{"type": "RuntimeDefault"},
			},
			"containers": []any{map[string]any{
				"name": "nats", "image": cluster.NATSImage,
				"args": []any{"--jetstream", "--store_dir=/tmp/nats", "--tls", "--tlscert=/tls/tls.crt", "--tlskey=/tls/tls.key"},
				"securityContext": map[string]any{
					"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}},
				},
				"volumeMounts": []any{
					map[string]any{"name": "tls", "mountPath": "/tls"},
					map[string]any{"name": "tmp", "mountPath": "/tmp"},
				},
			}},
			"volumes": []any{
				map[string]any{"name": "tls", "secret": map[string]any{"secretName": "nats"}},
				map[string]any{"name": "tmp", "emptyDir": map[string]any{}},
			},
		},
	}})
	pod := s.Await(application.Kinds["Pod"], "nats", "running", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "phase") == "Running" && application.Text(o, "status", "podIP") != ""
	})
	s.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "metadata": map[string]any{"name": "default"},
		"spec": map[string]any{"jetstreamExotic": map[string]any{
			"url":          "nats://" + application.Text(pod, "status", "podIP") + ":4222",
			"streamConfig": "replicas: 1\nmaxAge: 168h\nduplicates: 300s\n",
		}},
	}})
}

func (s *site) certificate() (certificate, key string) {
	s.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.Must(err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	s.Must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	s.Must(err)
	encode := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", secret)
}

// shipped is what `kubectl apply -k workflows/events` applies, in this namespace, with a resync
// that comes sooner.
func (s *site) shipped() []*unstructured.Unstructured {
	s.Helper()
	return s.shippedWith(interval)
}

func (s *site) shippedWith(interval time.Duration) []*unstructured.Unstructured {
	s.Helper()
	all := s.Shipped("workflows/events")
	for _, o := range all {
		if o.GetKind() == "EventSource" {
			s.Must(unstructured.SetNestedField(o.Object, s.Namespace, "spec", "resource", "waiting", "namespace"))
			s.Must(unstructured.SetNestedField(o.Object, interval.String(), "spec", "calendar", "resync", "interval"))
		}
	}
	return all
}

// only are the objects of a kind, or with false those of all others.
func only(all []*unstructured.Unstructured, kind string, want bool) []*unstructured.Unstructured {
	return slices.DeleteFunc(
		slices.Clone(all),
		func(o *unstructured.Unstructured) bool { return (o.GetKind() == kind) != want },
	)
}

// trigger is the Sensor's first trigger, which starts runs.
func trigger(all []*unstructured.Unstructured) map[string]any {
	triggers, _, _ := unstructured.NestedFieldNoCopy(only(all, "Sensor", true)[0].Object, "spec", "triggers")
	return triggers.([]any)[0].(map[string]any)["template"].(map[string]any)["k8s"].(map[string]any)
}

// listens applies what is shipped, and returns when events are listened to.
func (s *site) listens(all []*unstructured.Unstructured) {
	s.Helper()
	s.Apply(only(all, "EventSource", false)...)
	s.awaitSaid(sensor, "started subscribing to events for trigger quiesced-copy")
	s.Apply(only(all, "EventSource", true)...)
	s.awaitSaid(source, "listening to resource events")
}

// awaitSaid waits until the pod with the label has said something: Argo Events tells in no other
// way that it has begun.
func (s *site) awaitSaid(label, what string) {
	s.Helper()
	s.Eventually("said: "+what, func() bool {
		for _, pod := range s.Pods(label) {
			if strings.Contains(s.Log(s.Ctx, pod.Name, "main"), what) {
				return true
			}
		}
		return false
	})
}

// scale sets how many pods of an EventSource or a Sensor there are, and waits until it is so.
func (s *site) scale(label string, replicas int) {
	s.Helper()
	list, err := s.Client("Deployment").List(s.Ctx, metav1.ListOptions{LabelSelector: label})
	s.Must(err)
	if len(list.Items) != 1 {
		s.Fatalf("there are %d Deployments with %s", len(list.Items), label)
	}
	s.Patch("Deployment", list.Items[0].GetName(), map[string]any{"spec": map[string]any{"replicas": replicas}})
	s.Eventually(fmt.Sprintf("%d with %s", replicas, label), func() bool { return len(s.Pods(label)) == replicas })
}

// runs are the Workflows, or PipelineRuns, in the order in which they were created.
func (s *site) runs(kind string) []unstructured.Unstructured {
	s.Helper()
	list, err := s.Client(kind).List(s.Ctx, metav1.ListOptions{})
	s.Must(err)
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time)
	})
	return list.Items
}

// ended waits for the end of a Workflow, and gives its phase and outcome.
func (s *site) ended(name string) (phase, outcome string) {
	s.Helper()
	o := s.Await(application.Kinds["Workflow"], name, "ended", func(o *unstructured.Unstructured) bool {
		return application.Text(o, "status", "finishedAt") != ""
	})
	return application.Text(o, "status", "phase"), outcomeOf(o)
}

func outcomeOf(o *unstructured.Unstructured) string {
	nodes, _, _ := unstructured.NestedMap(o.Object, "status", "nodes")
	for _, n := range nodes {
		n := &unstructured.Unstructured{Object: n.(map[string]any)}
		if application.Text(n, "templateName") != "freeze" || application.Text(n, "type") != "Pod" {
			continue
		}
		parameters, _, _ := unstructured.NestedSlice(n.Object, "outputs", "parameters")
		for _, p := range parameters {
			if p := p.(map[string]any); p["name"] == "outcome" {
				return fmt.Sprint(p["value"])
			}
		}
	}
	return ""
}

// resynced waits for so many resyncs more.
func (s *site) resynced(times int) {
	s.Helper()
	for range times {
		last := s.Annotations()[resync]
		s.Await(
			application.Kinds["PersistentVolumeClaim"],
			harness.Claim,
			"looked at again",
			func(o *unstructured.Unstructured) bool {
				return o.GetAnnotations()[resync] != last
			},
		)
	}
}

// report is what there is to say when a test has failed.
func (s *site) report() string {
	ctx, cancel := application.Background()
	defer cancel()
	var b strings.Builder
	for _, kind := range []string{"EventBus", "EventSource", "Sensor", "Workflow", "PipelineRun"} {
		list, err := s.Client(kind).List(ctx, metav1.ListOptions{})
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		for _, o := range list.Items {
			fmt.Fprintf(&b, "%s %s: %s %s %q %v\n", kind, o.GetName(), o.GetCreationTimestamp().UTC().Format(time.RFC3339),
				application.Text(&o, "status", "phase"), outcomeOf(&o), o.Object["status"].(map[string]any)["conditions"])
		}
	}
	pods, err := s.Kube().CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return b.String() + err.Error()
	}
	for _, pod := range pods.Items {
		fmt.Fprintf(&b, "pod %s: %s\n", pod.Name, pod.Status.Phase)
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Waiting != nil {
				fmt.Fprintf(&b, "%s: %s\n", c.Name, c.State.Waiting.Message)
			}
		}
		if pod.Labels["eventsource-name"]+pod.Labels["sensor-name"] != "" {
			log := s.Log(ctx, pod.Name, "main")
			fmt.Fprintln(&b, log[max(0, len(log)-6000):])
		}
	}
	return b.String()
}
