// Package jobs makes a Job of a CronJob's template, and tells how it ends and what its pods said last.
package jobs

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// Jobs are the Jobs of one namespace.
type Jobs struct {
	dynamic   dynamic.Interface
	config    *rest.Config
	namespace string
	manager   string
}

// In returns the Jobs of a namespace; manager is the field manager of our writes.
func In(c kube.Cluster, namespace, manager string) Jobs {
	return Jobs{c.Dynamic, c.Config, namespace, manager}
}

func resource(group, name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: name}
}

func (j Jobs) request(verb, group, resource, name string) kube.Request {
	return kube.Request{Verb: verb, Group: group, Resource: resource, Namespace: j.namespace, Name: name}
}

func (j Jobs) jobs() dynamic.ResourceInterface {
	return j.dynamic.Resource(resource("batch", "jobs")).Namespace(j.namespace)
}

// Template returns what a CronJob makes its Jobs of, and what there is to know about them beforehand.
func (j Jobs) Template(ctx context.Context, cronJob string) (map[string]any, handshake.CheckTemplate, error) {
	c := handshake.CheckTemplate{CronJob: cronJob}
	all := j.dynamic.Resource(resource("batch", "cronjobs")).Namespace(j.namespace)
	u, err := all.Get(ctx, cronJob, metav1.GetOptions{})
	if err != nil {
		return nil, c, &kube.Error{Request: j.request("get", "batch", "cronjobs", cronJob), Err: err}
	}
	template, _, _ := unstructured.NestedMap(u.Object, "spec", "jobTemplate")
	c.Suspended, _, _ = unstructured.NestedBool(u.Object, "spec", "suspend")
	c.JobSuspended, _, _ = unstructured.NestedBool(template, "spec", "suspend")
	pod, _, _ := unstructured.NestedMap(template, "spec", "template", "spec")
	c.Claims, c.Mounted = claims(pod)
	return template, c, nil
}

// claims are those that a pod has, and those of them that its containers mount.
func claims(pod map[string]any) (has, mounted []string) {
	of := map[string]string{}
	for _, v := range maps(pod, "volumes") {
		if claim, _, _ := unstructured.NestedString(v, "persistentVolumeClaim", "claimName"); claim != "" {
			name, _ := v["name"].(string)
			of[name], has = claim, append(has, claim)
		}
	}
	for _, kind := range []string{"containers", "initContainers"} {
		for _, c := range maps(pod, kind) {
			for _, m := range slices.Concat(maps(c, "volumeMounts"), maps(c, "volumeDevices")) {
				name, _ := m["name"].(string)
				if claim := of[name]; claim != "" && !slices.Contains(mounted, claim) {
					mounted = append(mounted, claim)
				}
			}
		}
	}
	return has, mounted
}

// maps are the objects of a list.
func maps(in map[string]any, field string) (all []map[string]any) {
	list, _, _ := unstructured.NestedSlice(in, field)
	for _, item := range list {
		if object, is := item.(map[string]any); is {
			all = append(all, object)
		}
	}
	return all
}

// Make makes a Job, if there is none of the name.
func (j Jobs) Make(ctx context.Context, manifest map[string]any) (*handshake.CheckJob, error) {
	u := &unstructured.Unstructured{Object: manifest}
	made, err := j.jobs().Create(ctx, u, metav1.CreateOptions{FieldManager: j.manager})
	if err != nil {
		return nil, &kube.Error{Request: j.request("create", "batch", "jobs", u.GetName()), Err: err}
	}
	return read(made), nil
}

// Get returns the Job with a name; nil if there is none.
func (j Jobs) Get(ctx context.Context, name string) (*handshake.CheckJob, error) {
	u, err := j.jobs().Get(ctx, name, metav1.GetOptions{})
	if kube.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &kube.Error{Request: j.request("get", "batch", "jobs", name), Err: err}
	}
	return read(u), nil
}

// Follow calls changed whenever the Job may have changed; see [kube.Follow].
func (j Jobs) Follow(ctx context.Context, name string, changed func(), trouble kube.Trouble) error {
	return kube.Follow(ctx, j.request("watch", "batch", "jobs", name), j.jobs().Watch, kube.Any(changed), trouble)
}

func owner(u *unstructured.Unstructured) (uid, name string) {
	for _, owner := range u.GetOwnerReferences() {
		if owner.Kind == "ReplicationDestination" {
			return string(owner.UID), owner.Name
		}
	}
	return "", ""
}

func read(u *unstructured.Unstructured) *handshake.CheckJob {
	job := &handshake.CheckJob{UID: string(u.GetUID())}
	job.Owner, job.OwnerName = owner(u)
	job.Active, _, _ = unstructured.NestedInt64(u.Object, "status", "active")
	job.Errors, _, _ = unstructured.NestedInt64(u.Object, "status", "failed")
	job.Succeeded, _, _ = unstructured.NestedInt64(u.Object, "status", "succeeded")
	status, _, _ := unstructured.NestedMap(u.Object, "status")
	for _, c := range maps(status, "conditions") {
		if c["status"] != "True" {
			continue
		}
		switch c["type"] {
		case "Complete":
			job.Complete = true
		case "Failed":
			reason, _ := c["reason"].(string)
			message, _ := c["message"].(string)
			job.Failed = handshake.Line(cmp.Or(strings.Trim(reason+": "+message, ": "), "Failed"))
		}
	}
	return job
}

// Said returns what a pod of a Job said last, of the newest pod that has said something; "" where nobody
// knows. It is for a message, so an error of it is none.
func (j Jobs) Said(ctx context.Context, job string) string {
	list, err := j.dynamic.Resource(resource("", "pods")).Namespace(j.namespace).
		List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job})
	if err != nil {
		return ""
	}
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time)
	})
	for _, pod := range list.Items {
		for _, container := range containers(pod) {
			if text := j.log(ctx, pod.GetName(), container); text != "" {
				return handshake.Line(text)
			}
		}
	}
	return ""
}

// containers are those of a pod, those first that have failed.
func containers(pod unstructured.Unstructured) []string {
	status, _, _ := unstructured.NestedMap(pod.Object, "status")
	var failed, others []string
	for _, c := range slices.Concat(maps(status, "containerStatuses"), maps(status, "initContainerStatuses")) {
		name, _ := c["name"].(string)
		code, ended, _ := unstructured.NestedInt64(c, "state", "terminated", "exitCode")
		if ended && code != 0 {
			failed = append(failed, name)
		} else {
			others = append(others, name)
		}
	}
	return append(failed, others...)
}

// How much of a log is read, and how long that may take.
const (
	lines    = "5"
	logLimit = 5 * time.Second
)

// log returns the end of a container's log, on one line; "" if it cannot be read.
func (j Jobs) log(ctx context.Context, pod, container string) string {
	core := schema.GroupVersion{Version: "v1"}
	base, path, err := rest.DefaultServerURL(j.config.Host, "/api", core, rest.IsConfigTransportTLS(*j.config))
	if err != nil {
		return ""
	}
	client, err := rest.HTTPClientFor(j.config)
	if err != nil {
		return ""
	}
	text, err := rest.NewRequestWithClient(base, path, rest.ClientContentConfig{}, client).
		Verb(http.MethodGet).Namespace(j.namespace).Resource("pods").Name(pod).SubResource("log").
		Param("container", container).Param("tailLines", lines).Timeout(logLimit).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return strings.Join(strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' }), " / ")
}
