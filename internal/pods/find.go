package pods

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/internal/kube"
)

// Wanted says which pod is the application's, and which of its containers.
type Wanted struct {
	Claims    []string // that the pod mounts, all of them
	Name      string   // of the pod; "" for the one that mounts the claims
	Selector  string   // labels of the pod; "" for any
	Container string   // "" for the one that mounts the claims
}

// Target is a container that runs, in a pod.
type Target struct {
	Namespace   string
	Name        string // of the pod
	UID         string
	Container   string
	ContainerID string // another one after a restart
}

func (t Target) String() string {
	return fmt.Sprintf("pod %s/%s (container %s)", t.Namespace, t.Name, t.Container)
}

// Changed returns what has become of t if now is what is there in its place; "" if it is t still.
func (t Target) Changed(now Target) string {
	switch {
	case t.UID != now.UID:
		return fmt.Sprintf("pod %s/%s was replaced by %s", t.Namespace, t.Name, now.Name)
	case t.Container != now.Container || t.ContainerID != now.ContainerID:
		return fmt.Sprintf("container %s of pod %s/%s was restarted", t.Container, t.Namespace, t.Name)
	}
	return ""
}

// Application finds the pods of one namespace in which an application runs. It reads whole pods:
// the metadata does not say what they mount.
type Application struct {
	client    dynamic.ResourceInterface
	namespace string
}

// ApplicationIn returns the pods of a namespace.
func ApplicationIn(client dynamic.Interface, namespace string) Application {
	gvr := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	return Application{client.Resource(gvr).Namespace(namespace), namespace}
}

// NotOne says that there is no pod, or no container, that can be meant, or that several can.
type NotOne struct {
	Why  string
	Next string // what a person can do
	Seen string // labels of the pods that were looked at; "" for all
}

func (e *NotOne) Error() string { return e.Why }

// Find returns the one container that is meant. Where none or several can be, the error is a
// [NotOne].
func (a Application) Find(ctx context.Context, w Wanted) (Target, error) {
	candidates, err := a.candidates(ctx, w)
	if err != nil {
		return Target{}, err
	}
	if len(candidates) != 1 {
		return Target{}, a.notOnePod(candidates, w)
	}
	p := candidates[0]
	container, err := a.container(p, w)
	if err != nil {
		return Target{}, err
	}
	id := p.containerID(container)
	if id == "" {
		return Target{}, &NotOne{
			Why:  fmt.Sprintf("container %s of pod %s/%s does not run", container, a.namespace, p.Metadata.Name),
			Next: "see why it does not run, or choose another with --container",
		}
	}
	return Target{a.namespace, p.Metadata.Name, p.Metadata.UID, container, id}, nil
}

// candidates are the pods that can be meant. Of several with the labels it is those that mount
// the claims, if there are such.
func (a Application) candidates(ctx context.Context, w Wanted) ([]pod, error) {
	if w.Name != "" {
		return a.named(ctx, w.Name)
	}
	running, err := a.running(ctx, w.Selector)
	if err != nil {
		return nil, err
	}
	mounting := slices.DeleteFunc(slices.Clone(running), func(p pod) bool { return !p.mounts(w.Claims) })
	if len(mounting) == 0 && w.Selector != "" {
		return running, nil
	}
	return mounting, nil
}

// pageSize bounds how many whole pods are held at a time.
const pageSize = 500

func (a Application) running(ctx context.Context, selector string) ([]pod, error) {
	var found []pod
	opts := metav1.ListOptions{LabelSelector: selector, FieldSelector: "status.phase=Running", Limit: pageSize}
	for {
		list, err := a.client.List(ctx, opts)
		if err != nil {
			return nil, &kube.Error{Request: a.request("list", ""), Err: err}
		}
		for _, item := range list.Items {
			p, err := read(item)
			if err != nil {
				return nil, err
			}
			if p.canBeMeant() {
				found = append(found, p)
			}
		}
		if opts.Continue = list.GetContinue(); opts.Continue == "" {
			return found, nil
		}
	}
}

func (a Application) named(ctx context.Context, name string) ([]pod, error) {
	item, err := a.client.Get(ctx, name, metav1.GetOptions{})
	if kube.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &kube.Error{Request: a.request("get", name), Err: err}
	}
	p, err := read(*item)
	if err != nil || !p.canBeMeant() {
		return nil, err
	}
	return []pod{p}, nil
}

func (a Application) request(verb, name string) kube.Request {
	return kube.Request{Verb: verb, Resource: "pods", Namespace: a.namespace, Name: name}
}

func (a Application) notOnePod(found []pod, w Wanted) error {
	what := "mounts PVC " + strings.Join(w.Claims, " and PVC ")
	switch {
	case w.Name != "":
		return &NotOne{
			Why:  fmt.Sprintf("pod %s/%s is not there, does not run, or is being deleted", a.namespace, w.Name),
			Next: "name another with --pod, or leave --pod out for the pod that " + what,
		}
	case w.Selector != "":
		what = "has the labels " + w.Selector
	}
	if len(found) == 0 {
		return &NotOne{
			Why: fmt.Sprintf("no running pod in namespace %s %s", a.namespace, what),
			Next: "is the claim named right? --pod NAME or --pod-selector LABELS chooses a pod; " +
				"where none runs nothing has to be quiesced",
			Seen: w.Selector,
		}
	}
	var names []string
	for _, p := range found {
		names = append(names, p.Metadata.Name)
	}
	return &NotOne{
		Why: fmt.Sprintf("%d running pods in namespace %s can be meant: %s (each %s)",
			len(found), a.namespace, strings.Join(few(names), ", "), what),
		Next: "choose one with --pod " + names[0] + ", or with --pod-selector LABELS",
		Seen: w.Selector,
	}
}

// few are the first names, and how many more there are.
func few(names []string) []string {
	slices.Sort(names)
	if len(names) <= named {
		return names
	}
	return append(slices.Clone(names[:named]), fmt.Sprintf("%d more", len(names)-named))
}

// defaultContainer is kubectl's, too.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// container is the container that was asked for; else the one that mounts the claims, and of
// several the one that kubectl would take.
func (a Application) container(p pod, w Wanted) (string, error) {
	all := p.containers()
	mounting := slices.DeleteFunc(slices.Clone(all), func(c container) bool { return !p.mountedIn(c, w.Claims) })
	chosen, byDefault := w.Container, p.Metadata.Annotations[defaultContainer]
	switch {
	case chosen != "":
	case len(mounting) == 1:
		chosen = mounting[0].Name
	case len(all) == 1:
		chosen = all[0].Name
	default:
		chosen = byDefault
	}
	if slices.ContainsFunc(all, func(c container) bool { return c.Name == chosen }) {
		return chosen, nil
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	why := fmt.Sprintf("several containers of pod %s/%s can be meant: %s",
		a.namespace, p.Metadata.Name, strings.Join(names, ", "))
	if w.Container != "" {
		why = fmt.Sprintf("pod %s/%s has no container %s; it has %s",
			a.namespace, p.Metadata.Name, w.Container, strings.Join(names, ", "))
	}
	return "", &NotOne{Why: why, Next: "choose one with --container " + names[0]}
}

// pod is what is read of a pod.
type pod struct {
	Metadata struct {
		Name              string            `json:"name"`
		UID               string            `json:"uid"`
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp *string           `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Containers     []container `json:"containers"`
		InitContainers []container `json:"initContainers"`
		Volumes        []struct {
			Name  string `json:"name"`
			Claim *struct {
				Name string `json:"claimName"`
			} `json:"persistentVolumeClaim"`
		} `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase                 string            `json:"phase"`
		ContainerStatuses     []containerStatus `json:"containerStatuses"`
		InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
	} `json:"status"`
}

type container struct {
	Name          string  `json:"name"`
	RestartPolicy string  `json:"restartPolicy"` // of an init container: Always for a sidecar
	VolumeMounts  []mount `json:"volumeMounts"`
	VolumeDevices []mount `json:"volumeDevices"`
}

type mount struct {
	Volume string `json:"name"`
}

type containerStatus struct {
	Name        string `json:"name"`
	ContainerID string `json:"containerID"`
	State       struct {
		Running *struct{} `json:"running"`
	} `json:"state"`
}

func read(item unstructured.Unstructured) (p pod, err error) {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &p); err != nil {
		return p, fmt.Errorf("reading pod %s/%s: %w", item.GetNamespace(), item.GetName(), err)
	}
	return p, nil
}

// canBeMeant reports whether something can be run in the pod, and goes on running there.
func (p pod) canBeMeant() bool {
	return p.Status.Phase == "Running" && p.Metadata.DeletionTimestamp == nil
}

// containers are those that run as long as the pod does.
func (p pod) containers() []container {
	sidecars := slices.DeleteFunc(slices.Clone(p.Spec.InitContainers), func(c container) bool {
		return c.RestartPolicy != "Always"
	})
	return append(slices.Clone(p.Spec.Containers), sidecars...)
}

// volume is the name of the volume that is the claim; "" for none.
func (p pod) volume(claim string) string {
	for _, v := range p.Spec.Volumes {
		if v.Claim != nil && v.Claim.Name == claim {
			return v.Name
		}
	}
	return ""
}

// mounts reports whether the pod has all the claims.
func (p pod) mounts(claims []string) bool {
	return !slices.ContainsFunc(claims, func(claim string) bool { return p.volume(claim) == "" })
}

// mountedIn reports whether the container has all the claims.
func (p pod) mountedIn(c container, claims []string) bool {
	for _, claim := range claims {
		is := func(m mount) bool { return m.Volume == p.volume(claim) }
		if !slices.ContainsFunc(c.VolumeMounts, is) && !slices.ContainsFunc(c.VolumeDevices, is) {
			return false
		}
	}
	return true
}

// containerID is that of a container that runs; "" for one that does not.
func (p pod) containerID(name string) string {
	for _, s := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses) {
		if s.Name == name && s.State.Running != nil {
			return s.ContainerID
		}
	}
	return ""
}
