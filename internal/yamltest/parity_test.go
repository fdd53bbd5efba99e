package yamltest

import (
	"slices"
	"testing"
)

func TestFlagsOf(t *testing.T) {
	got := FlagsOf(t, "await-completed")
	for _, want := range []string{"pvc", "namespace", "until", "timeout"} {
		if !slices.Contains(got, want) {
			t.Errorf("--%s is not among %q", want, got)
		}
	}
	if slices.Contains(got, "help") || slices.Contains(FlagsOf(t, "install"), "pvc") {
		t.Error("a flag is there that takes no parameter, or is another command's")
	}
}

// Every way in which flags, parameters and exceptions can disagree is seen.
func TestDisparities(t *testing.T) {
	except := func(step, flag string) []Exception { return []Exception{{Step: step, Flag: flag, Why: "because"}} }
	for name, c := range map[string]struct {
		flags, passed []string
		exceptions    []Exception
		says          string // "" for no problem
	}{
		"a parameter": {
			flags:  []string{"timeout"},
			passed: []string{"timeout"},
		},
		"an exception": {
			flags:      []string{"context"},
			exceptions: except("steps/*", "context"),
		},
		"a new flag": {
			flags:      []string{"context", "new"},
			exceptions: except("steps/*", "context"),
			says:       "steps/disarm: --new is neither",
		},
		"the exception of another step": {
			flags:      []string{"context"},
			exceptions: except("steps/unlock", "context"),
			says:       "steps/disarm: --context is neither",
		},
		"a parameter now": {
			flags:      []string{"context"},
			passed:     []string{"context"},
			exceptions: except("steps/*", "context"),
			says:       "steps/disarm: --context is an exception, but also a parameter",
		},
		"a flag that is gone": {
			exceptions: except("steps/*", "lock"),
			says:       "steps/*: the exception --lock applies to no step",
		},
		"an exception twice": {
			flags:      []string{"context"},
			exceptions: append(except("steps/*", "context"), except("steps/disarm", "context")...),
			says:       "steps/disarm: the exception --context applies to no step",
		},
		"no reason": {
			flags:      []string{"context"},
			exceptions: []Exception{{Step: "steps/*", Flag: "context"}},
			says:       "has no reason",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Disparities([]Step{{Name: "steps/disarm", Flags: c.flags, Passed: c.passed}}, c.exceptions)
			if c.says == "" {
				None(t, got)
			} else {
				Some(t, got, c.says)
			}
		})
	}
}
