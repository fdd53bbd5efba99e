package jobs

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// around starts the shipped Job with a hold around claims.
func around(s *site, claims ...string) *job {
	s.Helper()
	return s.example("hold.yaml", func(spec map[string]any) { setEnv(spec, "COPYTRIGGER_PVC", strings.Join(claims, ",")) })
}

// complete waits for the good end.
func (j *job) complete() {
	j.site.Helper()
	if got := j.ended(); got != "Complete" {
		j.site.Fatalf("the Job ended with %s\n%s", got, j.report())
	}
}

// A database with its log on a claim of its own, in one freeze.
func TestVolumes(t *testing.T) {
	t.Parallel()
	v := application.NewVolumes(t, "jobs")
	s := &site{Site: v.Site}
	v.TestTogether(t, func(claims ...string) func() { return around(s, claims...).complete })
}

// The same in two freezes.
func TestVolumesApart(t *testing.T) {
	t.Parallel()
	v := application.NewVolumes(t, "jobs")
	s := &site{Site: v.Site}
	v.TestApart(t, func(claim string) { around(s, claim).complete() })
}
