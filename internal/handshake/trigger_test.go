package handshake

import (
	"slices"
	"strings"
	"testing"
)

func someWaits() []Wait {
	return []Wait{
		{ClaimUID: "a", SourceUID: "ra", SyncStart: "1", Since: "2", Latest: "l"},
		{ClaimUID: "b", SourceUID: "rb", SyncStart: "1", Since: "2", Latest: "l"},
		{ClaimUID: "c", SourceUID: "rc", SyncStart: "1", Since: "2"},
	}
}

// TestTriggerIsDeterministic: a step that is repeated must write the same value, in
// whatever order it finds the claims, and in every release: the steps of one run may come
// from two images. Hence the literal.
func TestTriggerIsDeterministic(t *testing.T) {
	const want = "run-1.aa9deb6f877f7add"
	w := someWaits()
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		given := []Wait{w[order[0]], w[order[1]], w[order[2]]}
		before := slices.Clone(given)
		if got := NewTrigger(runID, given...).String(); got != want {
			t.Errorf("order %v: %s, want %s", order, got, want)
		}
		if !slices.Equal(given, before) {
			t.Errorf("order %v: the caller's waits were moved to %v", order, given)
		}
	}
}

// TestTriggerNamesTheWait: whatever tells two waits apart tells their triggers apart, and
// what is written in one field cannot be read in another.
func TestTriggerNamesTheWait(t *testing.T) {
	seen := map[string]string{}
	is := func(name string, tr Trigger) {
		if was, ok := seen[tr.String()]; ok {
			t.Errorf("%s has the same trigger as %s: %s", name, was, tr)
		}
		seen[tr.String()] = name
	}
	base := Wait{ClaimUID: "c", SourceUID: "s", SyncStart: "t", Since: "u", Latest: "v"}
	is("the base", NewTrigger("run", base))
	is("another run", NewTrigger("run2", base))
	is("no waits", NewTrigger("run"))
	is("an empty wait", NewTrigger("run", Wait{}))
	is("the wait twice", NewTrigger("run", base, base))
	is("a second wait", NewTrigger("run", base, Wait{ClaimUID: "d"}))
	for name, change := range map[string]func(*Wait, string){
		"ClaimUID":  func(w *Wait, s string) { w.ClaimUID = s },
		"SourceUID": func(w *Wait, s string) { w.SourceUID = s },
		"SyncStart": func(w *Wait, s string) { w.SyncStart = s },
		"Since":     func(w *Wait, s string) { w.Since = s },
		"Latest":    func(w *Wait, s string) { w.Latest = s },
	} {
		for _, s := range []string{"", "other"} {
			w := base
			change(&w, s)
			is(name+"="+s, NewTrigger("run", w))
		}
	}
	is("a shifted boundary", NewTrigger("run", Wait{ClaimUID: "cs", SyncStart: "t", Since: "u", Latest: "v"}))
	is("another shifted boundary", NewTrigger("run", Wait{ClaimUID: "c", SourceUID: "st", Since: "u", Latest: "v"}))
}

func TestParseTrigger(t *testing.T) {
	for _, run := range []string{
		"a", "run-1", "7f1c2f4e-0b1d-4b6c-9a57-0c2f6f0c1f57", "a.b.c", "X_y", "backup.0123456789abcdef",
		strings.Repeat("r", maxRun),
	} {
		trigger := NewTrigger(run, someWaits()...)
		got, err := ParseTrigger(trigger.String())
		if err != nil || got != trigger || got.Run() != run {
			t.Errorf("ParseTrigger(%q) = %v (run %q), %v", trigger, got, got.Run(), err)
		}
	}
	const token = ".0123456789abcdef"
	for name, s := range map[string]string{
		"nothing":                "",
		"blank":                  " \n",
		"Tekton's variable":      "$(tasks.await.results.trigger)",
		"Tekton's in a run":      "$(context.pipelineRun.uid)" + token,
		"Argo's variable":        "{{steps.await.outputs.parameters.trigger}}",
		"Argo's in a run":        "{{workflow.uid}}" + token,
		"no token":               "run",
		"only a token":           token,
		"no dot":                 "0123456789abcdef",
		"a short token":          "run.0123456789abcde",
		"a long token":           "run.0123456789abcdef0",
		"an upper-case token":    "run.0123456789ABCDEF",
		"not a token":            "run.0123456789abcdeg",
		"a date":                 "2026-01-01T00:00:00.000000Z",
		"a space":                "my run" + token,
		"a slash":                "ns/run" + token,
		"a quote":                "run\"" + token,
		"a line feed at the end": "run" + token + "\n",
		"a letter abroad":        "läuft" + token,
		"a dash first":           "-run" + token,
		"a dot last":             "run." + token,
		"a run too long":         strings.Repeat("r", maxRun+1) + token,
	} {
		if got, err := ParseTrigger(s); err == nil {
			t.Errorf("%s: ParseTrigger(%q) = %v, want an error", name, s, got)
		} else if got != (Trigger{}) {
			t.Errorf("%s: ParseTrigger(%q) gives %v beside its error", name, s, got)
		}
	}
}

func TestCheckRun(t *testing.T) {
	for _, run := range []string{"0", "a.b", "a-b_c", strings.Repeat("r", maxRun)} {
		if err := CheckRun(run); err != nil {
			t.Error(err)
		}
	}
	for run, word := range map[string]string{
		"":                            "empty",
		"\t":                          "empty",
		"$(context.pipelineRun.uid)":  "Tekton",
		"{{workflow.uid}}":            "Argo",
		"a b":                         "letters",
		"a/b":                         "letters",
		".a":                          "letters",
		"a-":                          "letters",
		"é":                           "letters",
		"a\x00b":                      "letters",
		strings.Repeat("r", maxRun+1): "200",
	} {
		if err := CheckRun(run); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("CheckRun(%q) = %v, want an error with %q", run, err, word)
		}
	}
}

// TestOf: disarm finds the triggers of its run by the run id alone, and must not take the
// trigger of a run whose id merely looks alike.
func TestOf(t *testing.T) {
	runs := []string{"a", "a.b", "a.b.c", "b", "a-b", "ab", "a.0123456789abcdef"}
	for _, run := range runs {
		for _, other := range runs {
			if got := of(run, NewTrigger(other).String()); got != (run == other) {
				t.Errorf("of(%q, a trigger of %q) = %v", run, other, got)
			}
		}
	}
	for _, v := range []string{"", "a", "a.", ".0123456789abcdef", "a.b", "a.0123456789ABCDEF", "2026-01-01"} {
		if of("a", v) || of("", v) {
			t.Errorf("%q is taken for a trigger of a run", v)
		}
	}
}

// TestTriggerForm: RUN.TOKEN, whatever was waiting.
func TestTriggerForm(t *testing.T) {
	trigger := NewTrigger(strings.Repeat("r", maxRun), someWaits()...).String()
	if len(trigger) != maxRun+1+tokenLen || !isToken(trigger[maxRun+1:]) {
		t.Errorf("a trigger of the longest run is %d bytes: %s", len(trigger), trigger)
	}
}
