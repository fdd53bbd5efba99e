package jobs

import (
	"net/http"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/yamltest"
)

// The example of a restore that is checked: its check never runs by itself, and only on what is restored; the
// other CronJob makes one attempt more after a pod that was killed, and none after one that has found out.
func TestCheckRestore(t *testing.T) {
	yamltest.Answering(t, http.StatusForbidden)
	var all []*batchv1.CronJob
	_, err := yamltest.Decode(yamltest.Text(t, "examples/check-restore.yaml"), func(kind string) metav1.Object {
		if kind != "batch/v1 CronJob" {
			return nil
		}
		all = append(all, &batchv1.CronJob{})
		return all[len(all)-1]
	})
	yamltest.Must(t, err)
	if len(all) != 2 {
		t.Fatalf("there are %d CronJobs, want two", len(all))
	}
	check, nightly := all[0].Spec, all[1].Spec
	volume := check.JobTemplate.Spec.Template.Spec.Volumes[0]
	if check.Suspend == nil || !*check.Suspend || volume.PersistentVolumeClaim == nil ||
		volume.PersistentVolumeClaim.ClaimName != handshake.ScratchName("backup-restored") {
		t.Errorf("the check is %+v", check)
	}
	job := nightly.JobTemplate.Spec
	c := job.Template.Spec.Containers[0]
	line := append([]string{c.Command[0], c.Args[0], "--run-id=" + uid}, c.Args[1:]...)
	yamltest.None(t, yamltest.Misread(line))
	codes := job.PodFailurePolicy.Rules[0].OnExitCodes.Values
	for _, how := range []outcome.Outcome{outcome.Failed, outcome.Refused, outcome.Usage, outcome.TimedOut} {
		found := false
		for _, code := range codes {
			found = found || int(code) == how.Code(outcome.Stop{})
		}
		if !found {
			t.Errorf("%s is tried again: %v", how, codes)
		}
	}
	if len(codes) != 4 || nightly.ConcurrencyPolicy != batchv1.ForbidConcurrent || c.Env[0].ValueFrom == nil ||
		*job.PodReplacementPolicy != batchv1.Failed || *job.Template.Spec.TerminationGracePeriodSeconds < 30 {
		t.Errorf("the CronJob is %+v", nightly)
	}
	yamltest.Some(t, yamltest.Misread(append(line, "--no-such-flag")), "no-such-flag")
}
