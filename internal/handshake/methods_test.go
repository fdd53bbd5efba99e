package handshake

import (
	"strings"
	"testing"
)

// The hints name whatever the tables have.
func TestHintsNameTheTables(t *testing.T) {
	refusal := func(s Source) string {
		s.Name = "rs"
		hints := ""
		for _, f := range Findings(Observed{Sources: []Source{s}}) {
			if f.About == AboutMover || f.About == AboutMethod {
				hints += f.Hint
			}
		}
		return hints
	}
	for _, m := range Movers() {
		if !Honours(m.Name) || !strings.Contains(refusal(Source{Mover: "syncthing", Method: "Clone"}), m.Name) {
			t.Errorf("mover %s: %q", m.Name, refusal(Source{Mover: "syncthing", Method: "Clone"}))
		}
		for _, c := range CopyMethods() {
			if hint := refusal(Source{Mover: m.Name, Method: c.Name}); hint != "" {
				t.Errorf("%s, %s: refused: %s", m.Name, c.Name, hint)
			}
			if hint := refusal(Source{Mover: m.Name, Method: "Direct"}); !strings.Contains(hint, c.Name) {
				t.Errorf("%s: %q does not name %s", m.Name, hint, c.Name)
			}
		}
	}
	for _, name := range []string{"", "Direct", "None", "snapshot"} {
		if _, known := CopyMethodOf(name); known || Honours(name) {
			t.Errorf("%q is taken for one that honours copy triggers", name)
		}
	}
}
