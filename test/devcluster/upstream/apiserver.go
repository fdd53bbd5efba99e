//go:build !assets

package main

import (
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func newAPIServer() *cobra.Command { return apiserver.NewAPIServerCommand() }

func runEtcd() { etcdmain.Main(os.Args) }
