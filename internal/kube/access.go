package kube

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// PageSize is how many objects a list asks for at a time.
const PageSize = 500

// May reports whether the account may make the request, by a SelfSubjectAccessReview. Nothing is kept
// of that. A resource may have a subresource: pods/exec.
func (c Cluster) May(ctx context.Context, r Request) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	attributes := map[string]any{"verb": r.Verb, "group": r.Group, "resource": resource}
	for key, value := range map[string]string{"subresource": sub, "namespace": r.Namespace, "name": r.Name} {
		if value != "" {
			attributes[key] = value
		}
	}
	reviews := schema.GroupVersionResource{
		Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews",
	}
	got, err := c.Dynamic.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": attributes},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, &Error{Request{Verb: "create", Group: reviews.Group, Resource: reviews.Resource}, err}
	}
	allowed, _, _ := unstructured.NestedBool(got.Object, "status", "allowed")
	return allowed, nil
}

// WhoAmI returns the name of the account, as the API server knows it; "" where it does not tell.
func (c Cluster) WhoAmI(ctx context.Context) string {
	reviews := schema.GroupVersionResource{
		Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews",
	}
	got, err := c.Dynamic.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
	}}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(got.Object, "status", "userInfo", "username")
	return name
}
