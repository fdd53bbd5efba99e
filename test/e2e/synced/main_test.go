// Package synced has VolSync's restic mover move the data of a copy, on the real kubelet.
//
//	make e2e-synced
package synced

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, harness.Config{
		Wanted: "COPYTRIGGER_E2E_TESTS", Parallel: 3, Cluster: cluster.Options{Node: true},
	}))
}
