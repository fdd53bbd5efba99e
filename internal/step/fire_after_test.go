package step

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Nothing is fired unless the file says that quiesce ended well; nothing is even asked.
func TestFireTriggerAfterQuiesce(t *testing.T) {
	refused := func(says string) want {
		return want{
			outcome.Refused,
			[]string{"PVC app/data: quiesce did not end with 0, so nothing was fired", says},
			"log of quiesce",
			"",
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		text string // "-" for no file
		want want
	}{
		"well":             {"0", want{outcome: outcome.OK, trigger: waitingTrigger(t)}},
		"with white space": {" 0\n", want{outcome: outcome.OK, trigger: waitingTrigger(t)}},
		"failed":           {"1", refused("exitCode says 1")},
		"killed":           {"137\n", refused("exitCode says 137")},
		"by a signal":      {"-1", refused(`exitCode says "-1"`)},
		"cancelled":        {"killed", refused(`exitCode says "killed"`)},
		"empty":            {"", refused("exitCode is empty")},
		"no file":          {"-", refused("there is no " + none)},
	} {
		t.Run(name, func(t *testing.T) {
			file := none
			if c.text != "-" {
				file = filepath.Join(t.TempDir(), "exitCode")
				if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := fire(t, 30*time.Second, func(p *play) { p.after = file }, nil)
			p.wants(t, c.want)
			if c.want.outcome != outcome.OK && len(p.requests) > 0 {
				t.Errorf("asked %q", p.requests)
			}
			if at := p.result.(Fired).At; at.IsZero() == (c.want.outcome == outcome.OK) {
				t.Errorf("fired at %s", at)
			}
		})
	}
}
