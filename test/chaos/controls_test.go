package chaos

import (
	"testing"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// The texts that the controls replace are there. This needs no cluster: who changes one of them
// hears of it soon.
func TestControlsApply(t *testing.T) {
	root, err := cluster.FindSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Controls() {
		if _, err := c.edited(root); err != nil {
			t.Error(err)
		}
	}
}

// bound is how many coordinations may pass until a control is found.
const bound = 4

// TestControls takes one guard away at a time. The campaign must find that, and nothing in the
// same plan with the program as it is.
func TestControls(t *testing.T) {
	harness.Need(t)
	for _, control := range Controls() {
		t.Run(control.Name, func(t *testing.T) {
			t.Parallel()
			c := NewCampaign()
			program, err := control.Build(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s := harness.NewFor(t)
			if v := c.Coordinate(s, control.Plan(), s.Binary()); len(v.Found) > 0 {
				t.Errorf("with the guard:\n%s", v.Story())
			}
			var v Verdict
			for range bound {
				v = c.Coordinate(harness.NewFor(t), control.Plan(), program)
				if v.Has(control.Finds) {
					return
				}
			}
			t.Errorf("%q was not found in %d coordinations; the last:\n%s", control.Finds, bound, v.Story())
		})
	}
}
