// Package integration runs the real copytrigger against the real VolSync, in a cluster
// of its own:
//
//	COPYTRIGGER_CLUSTER_TESTS=1 go test -count=1 ./integration
//
// (-count=1, for go test does not see when the program has changed), and quicker, while writing tests,
// in a cluster that is running already:
//
//	go run ./devcluster up --detach --dir /tmp/dev
//	COPYTRIGGER_CLUSTER_TESTS=1 COPYTRIGGER_CLUSTER_DIR=/tmp/dev go test -count=1 ./integration
package integration

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, harness.Config{Wanted: "COPYTRIGGER_CLUSTER_TESTS", Parallel: 8, Anywhere: true}))
}
