package cluster

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

const (
	nodeName = "node1"
	// serviceAddress is that of the service "kubernetes". The API server itself listens
	// on it, so that pods reach it without kube-proxy.
	serviceAddress = "10.96.0.1"
)

//go:embed node
var nodeFiles embed.FS

// node is what only a cluster with a node has.
type node struct {
	cgroup   string    // below the root of every hierarchy
	archives []archive // of the images that pods there use
}

// nodePrograms are Debian's, and found as it installs them.
func nodePrograms() []string {
	return []string{"/usr/bin/containerd", "/usr/bin/ctr", "/usr/sbin/runc", "/usr/lib/cni/ptp", "/usr/lib/cni/host-local"}
}

// checkNode says what is missing for a node.
func checkNode(dir string) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	// A unix socket's path has 108 bytes at most, and the kubelet's are long.
	if len(dir) > 48 {
		return fmt.Errorf(
			"using %s for a cluster with a node: longer than 48 bytes, the kubelet's sockets would not work",
			dir,
		)
	}
	for _, program := range nodePrograms() {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf(
				"a node needs %s: apt-get install --no-install-recommends containerd runc containernetworking-plugins",
				program,
			)
		}
	}
	return nil
}

// NodePossible says why this machine cannot have a node; nil if it can.
func NodePossible() error { return checkNode("") }

func (p *plan) containerdSocket() string { return p.state.path("containerd.sock") }

// nodeinit is the first process in the namespaces of a node, and takes all others with it.
func (p *plan) nodeinit() spec {
	ready := p.state.path("nodeinit.ready")
	return spec{
		name:    "nodeinit",
		program: p.programs["nodeinit"],
		args:    []string{"--ready=" + ready, serviceAddress + "/32"},
		ready: func(context.Context) error {
			_, err := os.Stat(ready)
			return err
		},
	}
}

func (p *plan) containerd() spec {
	return spec{
		name:    "containerd",
		program: "/usr/bin/containerd",
		args:    []string{"--config=" + p.state.path("containerd.toml")},
		address: p.containerdSocket(),
		ready:   dial(p.containerdSocket()),
	}
}

func (p *plan) kubelet() spec {
	healthz := local(p.ports.kubelet)
	return spec{
		name:    "kubelet",
		program: p.programs["kubeall"],
		args: []string{
			"kubelet", "--config=" + p.state.path("kubelet.yaml"), "--kubeconfig=" + p.state.path("kubelet.kubeconfig"),
			"--root-dir=" + p.kubeletDir(), "--hostname-override=" + nodeName, "--node-ip=" + serviceAddress,
		},
		address: healthz,
		ready:   p.probe.get("http://" + healthz + "/healthz"),
	}
}

func (p *plan) kubeletDir() string { return p.state.path("kubelet") }

// configureNode writes the files that containerd, its network plugins and the kubelet read.
func (p *plan) configureNode() error {
	var err error
	if p.node.cgroup, err = newCgroup(p.state.dir); err != nil {
		return err
	}
	values := map[string]string{
		"DIR": p.state.dir, "SOCKET": p.containerdSocket(), "PAUSE": imageName("pause"), "ADDRESS": serviceAddress,
		"HEALTHZ": fmt.Sprint(p.ports.kubelet), "CGROUP": p.node.cgroup,
	}
	for name, to := range map[string]string{
		"containerd.toml": "containerd.toml",
		"kubelet.yaml":    "kubelet.yaml",
		"cni.conflist":    "cni/10-copytrigger.conflist",
	} {
		text, err := nodeFiles.ReadFile("node/" + name)
		if err != nil {
			return fmt.Errorf("configuring the node: %w", err)
		}
		path := p.state.path(to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("configuring the node: %w", err)
		}
		filled := os.Expand(string(text), func(key string) string { return values[key] })
		if err := os.WriteFile(path, []byte(filled), 0o644); err != nil {
			return fmt.Errorf("configuring the node: %w", err)
		}
	}
	return nil
}

// bringNamespaces starts the first process of the node's namespaces and opens the way
// from here into its network.
func (c *Cluster) bringNamespaces(up starter, p *plan) error {
	if err := p.configureNode(); err != nil {
		return err
	}
	if err := up.start(p.nodeinit()); err != nil {
		return err
	}
	if err := up.await("nodeinit"); err != nil {
		return err
	}
	if err := c.enter(up.ctx); err != nil {
		return err
	}
	var err error
	c.own.forward, err = c.network.forward(p.ports.outside, local(p.ports.api))
	return err
}

// enter goes to where the cluster's addresses are.
func (c *Cluster) enter(ctx context.Context) error {
	components, err := c.hand.list(ctx)
	if err != nil {
		return err
	}
	for _, s := range components {
		if s.Name == "nodeinit" {
			c.network, err = enterNetwork(s.Pid)
			return err
		}
	}
	return nil // there is no node
}

// bringNode starts the container runtime and the kubelet, and waits for the node.
func (c *Cluster) bringNode(up starter, p *plan) error {
	if err := up.start(p.containerd()); err != nil {
		return err
	}
	if err := up.await("containerd"); err != nil {
		return err
	}
	// The kubelet makes no pod before the images are there, so that none is pulled.
	for _, a := range p.node.archives {
		if err := c.LoadImages(up.ctx, a.file); err != nil {
			return err
		}
	}
	up.say.done("images")
	if err := up.start(p.kubelet()); err != nil {
		return err
	}
	if err := up.await("kubelet"); err != nil {
		return err
	}
	lw := cache.NewListWatchFromClient(
		c.client.CoreV1().RESTClient(),
		"nodes",
		"",
		fields.OneTermEqualSelector("metadata.name", nodeName),
	)
	ctx, cancel := context.WithTimeout(up.ctx, settled)
	defer cancel()
	_, err := watchtools.UntilWithSync(ctx, lw, &corev1.Node{}, nil, func(e watch.Event) (bool, error) {
		node, ok := e.Object.(*corev1.Node)
		return ok && nodeReady(node), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the node to be ready (see the kubelet's log): %w", err)
	}
	up.say.done("node")
	return nil
}

func nodeReady(n *corev1.Node) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// LoadImages makes the images of a Docker archive known to the node by their names.
func (c *Cluster) LoadImages(ctx context.Context, archive string) error {
	return c.ctr(ctx, "images", "import", archive)
}

// LoadImage makes the one image of an OCI archive known to the node by a name with a tag,
// a digest, or both.
func (c *Cluster) LoadImage(ctx context.Context, archive, name string) error {
	ref, digest, found := strings.Cut(name, "@")
	if found {
		// As containers ask for it: the digest goes before the tag.
		if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
			ref = ref[:i]
		}
		ref += "@" + digest
	}
	const as = "copytrigger.test/loaded"
	if err := c.ctr(ctx, "images", "import", "--index-name", as, archive); err != nil {
		return err
	}
	return c.TagImage(ctx, as, ref)
}

// TagImage gives an image of the node one more name.
func (c *Cluster) TagImage(ctx context.Context, name, other string) error {
	return c.ctr(ctx, "images", "tag", "--force", name, other)
}

func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(
		ctx,
		"/usr/bin/ctr",
		append([]string{"--address", filepath.Join(c.dir, "containerd.sock"), "--namespace", "k8s.io"}, args...)...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w\n%s", strings.Join(args, " "), err, said)
	}
	return nil
}
