// Package tekton runs what users apply to a cluster on the real thing: the shipped YAML and
// image, on the real Tekton, kubelet and VolSync, around a real PostgreSQL under load.
//
//	make e2e-tekton
//
// It needs root and Debian's containerd (make node-tools), and the image's archive, which
// COPYTRIGGER_IMAGE names. Quicker, while writing tests, in a cluster that is running:
//
//	go run ./devcluster up --tekton --detach --dir /tmp/dev
//	COPYTRIGGER_E2E_TESTS=1 COPYTRIGGER_CLUSTER_DIR=/tmp/dev COPYTRIGGER_IMAGE=… go test -count=1 ./e2e/tekton
package tekton

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
)

func TestMain(m *testing.M) { os.Exit(application.Main(m, "tasks", 4, cluster.Options{Tekton: true})) }
