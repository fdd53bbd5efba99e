// Command dircsi is a CSI driver on a directory. Volumes are directories and snapshots
// are copies of them, so a test can look at both with nothing but a file system.
//
// One process does what a storage vendor ships as several: it serves the CSI socket
// (for the real csi-snapshotter, and for a kubelet if there is one), registers with the
// kubelet, and provisions PersistentVolumes. The last is external-provisioner's work,
// which cannot be had as a Go module.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type options struct {
	kubeconfig string
	root       string
	socket     string
	kubeletDir string
	node       string
}

func main() { os.Exit(realMain(os.Args[1:])) }

func realMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flags := flag.NewFlagSet("dircsi", flag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster to provision volumes for")
	flags.StringVar(&o.root, "root", "", "directory that holds the volumes and snapshots")
	flags.StringVar(&o.socket, "socket", "", "unix socket to serve CSI on")
	flags.StringVar(&o.kubeletDir, "kubelet-dir", "", "root directory of a kubelet to register with; none if empty")
	flags.StringVar(&o.node, "node", "node1", "name of this node")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "dircsi:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	d, err := newDriver(ctx, o.root, o.node)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	if err := serve(o.socket, d.register, failed); err != nil {
		return err
	}
	if o.kubeletDir != "" {
		// The kubelet watches this directory for plugins to ask who they are.
		socket := filepath.Join(o.kubeletDir, "plugins_registry", driverName+"-reg.sock")
		if err := serve(socket, registration{endpoint: o.socket}.register, failed); err != nil {
			return err
		}
	}
	p := &provisioner{driver: d, kube: client, dyn: dyn}
	go p.loop(ctx).Run(ctx)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
