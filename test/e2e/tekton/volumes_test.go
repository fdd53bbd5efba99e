package tekton

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// around starts the shipped run with a hold around claims, and returns what waits for its good end.
func around(s *site, claims ...string) (end func()) {
	s.Helper()
	var pvcs []any
	for _, claim := range claims {
		pvcs = append(pvcs, claim)
	}
	r := s.startExample("hold.yaml", map[string]any{"pvcs": pvcs}, nil)
	return func() {
		s.Helper()
		if got := r.ended(); got != "Succeeded" && got != "Completed" {
			s.Fatalf("the run ended with %s\n%s", got, r.report())
		}
		if got := results(r.task(oneStep.task)); got["outcome"] != "ok" {
			s.Fatalf("the results are %v", got)
		}
	}
}

// A database with its log on a claim of its own, in one freeze.
func TestVolumes(t *testing.T) {
	t.Parallel()
	v := application.NewVolumes(t, "tasks")
	s := &site{v.Site}
	v.TestTogether(t, func(claims ...string) func() { return around(s, claims...) })
}

// The same in two freezes.
func TestVolumesApart(t *testing.T) {
	t.Parallel()
	v := application.NewVolumes(t, "tasks")
	s := &site{v.Site}
	v.TestApart(t, func(claim string) { around(s, claim)() })
}
