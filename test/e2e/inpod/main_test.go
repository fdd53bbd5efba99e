// Package inpod runs commands in pods on the real kubelet, by the real API server, and the recipes
// that do so around the real databases.
//
//	make e2e-inpod
package inpod

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
)

func TestMain(m *testing.M) {
	os.Exit(application.Main(m, "jobs", 4, cluster.Options{Node: true, Databases: true}))
}
