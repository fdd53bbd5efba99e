// Package events runs workflows/events as it is shipped on the real Argo Events, with the real
// Argo Workflows, Tekton and VolSync, around a real PostgreSQL under load.
//
//	make e2e-events
//
// What it needs, and how it is quicker while writing tests: package argo, with --events and
// --tekton.
package events

import (
	"os"
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
)

func TestMain(m *testing.M) {
	os.Exit(application.Main(m, "workflows", 4, cluster.Options{Events: true, Tekton: true}))
}
