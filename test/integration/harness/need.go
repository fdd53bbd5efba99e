package harness

import (
	"os"
)

// Capability is something that a test does to a cluster, and that not every cluster lets it
// do: it tells so in the words that the count of the skipped tests has.
type Capability string

// What tests do to a cluster of ours alone. The harness's own methods say what they need, so
// that no test has to, and none can forget it.
const (
	Components  Capability = "stops a component of the cluster"
	SlowStorage Capability = "slows the storage down"
	VolumeFiles Capability = "looks into the directory of a volume"
	ClusterWide Capability = "makes an object of the whole cluster"
	Engine      Capability = "is more than an engine's one happy path"
)

// DefaultClasses is what a test needs that names no classes: those that the cluster takes
// then must be those that the run was given.
const DefaultClasses Capability = "takes the cluster's default snapshot class, and the run was given another"

// has reports whether the cluster lets tests do that.
func (w *world) has(what Capability) bool {
	return w.guest == nil || what == DefaultClasses && w.guest.classes.byDefault
}

// Need skips the test without a cluster, or in one that does not let it do what it does.
func Need(t T, what ...Capability) {
	t.Helper()
	// Asked again here, where go test notes what a cached result depends on.
	if shared == nil || os.Getenv(wanted) == "" && os.Getenv(existingEnv) == "" {
		t.Skipf(skipped, wanted)
	}
	for _, what := range what {
		if !shared.has(what) {
			Skip(t, string(what))
		}
	}
}

// Need skips the test if the cluster does not let it do that.
func (s *Site) Need(what Capability) { s.Helper(); Need(s.T, what) }

// Skip skips a test that needs a cluster, and counts it under the reason.
func Skip(t T, reason string) {
	t.Helper()
	if shared != nil {
		shared.tally.skip(t.Name(), reason)
	}
	t.Skipf("skipped, and counted: it %s", reason)
}

// Ours reports whether the cluster is one of ours, where tests may do anything.
func Ours() bool { return shared.guest == nil }
