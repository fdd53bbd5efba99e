// Package kube is the connection to the API server: which one, how errors are told
// apart, how a request is repeated and a watch kept open. It knows no resource.
package kube

import (
	"errors"
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Where names the cluster, as kubectl's flags of the same names do. Empty fields mean
// what they mean there: KUBECONFIG, ~/.kube/config, then the pod's own service account.
type Where struct {
	Kubeconfig string
	Context    string
	Namespace  string
	UserAgent  string
	As         string // whom to impersonate; "" for nobody
}

// Cluster is an API server to talk to. Nothing has been sent to it yet.
type Cluster struct {
	Metadata  metadata.Interface
	Dynamic   dynamic.Interface
	Config    *rest.Config // for connections that are no requests
	Namespace string       // as asked for, else the context's, else the pod's own
	Server    string       // its URL
}

// ErrNowhere means that nothing says which cluster to talk to.
var ErrNowhere = errors.New("no kubeconfig, and not in a pod")

// Connect makes the clients.
func Connect(w Where) (Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = w.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: w.Context}
	overrides.Context.Namespace = w.Namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		return Cluster{}, ErrNowhere
	}
	if err != nil {
		return Cluster{}, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return Cluster{}, fmt.Errorf("finding the namespace: %w", err)
	}
	config = rest.CopyConfig(config)
	config.UserAgent = w.UserAgent
	if w.As != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: w.As}
	}
	// No limiter: a step sends a handful of requests. One would delay them, and near the
	// end of a step's time its error would take the place of what is wrong.
	config.QPS = -1
	md, err := metadata.NewForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("making the metadata client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return Cluster{}, fmt.Errorf("making the dynamic client: %w", err)
	}
	return Cluster{Metadata: md, Dynamic: dyn, Config: config, Namespace: namespace, Server: config.Host}, nil
}
