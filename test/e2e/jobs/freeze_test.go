package jobs

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
)

// forms are ways to put the steps together, in one process each.
func forms(s *site) []application.Form {
	return []application.Form{
		{Name: "jobs/, quiesce and unquiesce", Runs: 6, Frozen: func() time.Duration { return s.night(stamps).frozen() }},
		{
			Name:   "jobs/, a hold command",
			Runs:   6,
			Frozen: func() time.Duration { return s.example("hold.yaml", holdStamps).frozen() },
		},
		{Name: "kubectl in a shell loop", Runs: 3, Frozen: func() time.Duration { return s.night(kubectlLoop).frozen() }},
	}
}

// stamps has commands that say the time, and do nothing else.
func stamps(spec map[string]any) {
	containerOf(spec)["image"] = cluster.DebianImage
	setEnv(spec, "COPYTRIGGER_QUIESCE", application.Stamp)
	setEnv(spec, "COPYTRIGGER_UNQUIESCE", application.Stamp)
}

func holdStamps(spec map[string]any) {
	containerOf(spec)["image"] = cluster.DebianImage
	setEnv(spec, "COPYTRIGGER_HOLD", application.Stamp+"; echo QUIESCED; cat; "+application.Stamp)
}

// kubectlLoop is what users write today.
func kubectlLoop(spec map[string]any) {
	c := containerOf(spec)
	c["image"], c["args"] = cluster.DebianImage, []any{}
	c["command"] = []any{
		"bash",
		"-ec",
		application.KubectlWaiting + "\n" + application.Stamp + "\n" + application.KubectlCopy + "\n" + application.Stamp,
	}
}

// frozen is the time between the two stamps of a Job that ends well.
func (j *job) frozen() time.Duration {
	j.site.Helper()
	if got := j.ended(); got != "Complete" {
		j.site.Fatalf("the Job ended with %s\n%s", got, j.report())
	}
	from, to := j.site.Between(j.site.Log(j.site.Ctx, j.pod().Name, "run"))
	return to.Sub(from)
}

// TestFreeze measures how long an application stays quiesced beyond the time that VolSync
// itself takes for the copy, for each form, and writes the table.
//
// It is not parallel: the other tests would be measured too.
func TestFreeze(t *testing.T) {
	s := &site{Site: application.Bare(t, "jobs")}
	all := forms(s)
	overhead := s.MeasureFreezes(t, all...)
	overhead.Report(t, all[0].Name, all[1].Name, all[2].Name)
	loop := overhead.Median(all[2].Name)
	for _, f := range all[:2] {
		overhead.AtMost(t, f.Name, loop/3, "a third of a shell loop, whose is whatever is left of its last pause")
	}
}
