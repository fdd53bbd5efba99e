// Package inpod runs commands in pods on the real kubelet, by the real API server.
//
//	go run ./devcluster run --node -- env COPYTRIGGER_E2E_TESTS=1 go test -count=1 ./e2e/inpod
package inpod

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, harness.Config{
		Wanted: "COPYTRIGGER_E2E_TESTS", Parallel: 4, Cluster: cluster.Options{Node: true},
	}))
}
