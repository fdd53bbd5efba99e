package harness

import (
	"fmt"
	"slices"
	"strings"
)

// Result is how a run of the program ended.
type Result struct {
	site    *Site
	process *Process

	Code           int
	Stdout, Stderr string
	Values         map[string]any // the results on stdout
}

// Exit codes of the program, as its users know them.
const (
	OK         = 0
	Failed     = 1
	Usage      = 64
	Refused    = 3
	Withdrawn  = 4
	Tainted    = 5
	Unverified = 6
	Unsynced   = 7
	TimedOut   = 124
	SIGHUP     = 128 + 1
	SIGINT     = 128 + 2
	SIGTERM    = 128 + 15
	Killed     = 128 + 9 // also by a second signal
)

// outcomes are the words that go with the codes.
var outcomes = map[int]string{
	OK: "ok", Failed: "failed", Refused: "refused", Withdrawn: "withdrawn", Tainted: "tainted",
	Unverified: "unverified", Unsynced: "unsynced", TimedOut: "timed-out",
	SIGHUP: "signalled", SIGINT: "signalled", SIGTERM: "signalled",
}

// Ends asserts the exit code, the outcome that goes with it, and that stdout is one JSON
// object.
func (r *Result) Ends(code int) *Result {
	r.site.Helper()
	r.Exits(code)
	r.Outcome(outcomes[code])
	if got, want := r.Value("pvc"), r.site.Namespace+"/"+r.site.claim; got != want && !strings.HasSuffix(got, "/"+want) {
		r.site.Fatalf("%sresult pvc %q, want %q", r.process, got, want)
	}
	if strings.Count(r.Stdout, "\n") != 1 {
		r.site.Fatalf("%sstdout is not one line", r.process)
	}
	return r
}

// Outcome asserts the result of that name.
func (r *Result) Outcome(want string) *Result {
	r.site.Helper()
	if got := r.Value("outcome"); got != want {
		r.site.Fatalf("%soutcome %q, want %q", r.process, got, want)
	}
	return r
}

// Exits asserts the exit code alone.
func (r *Result) Exits(code int) *Result {
	r.site.Helper()
	if r.Code != code {
		r.site.Fatalf("%swant exit code %d", r.process, code)
	}
	return r
}

// Says asserts what stderr says somewhere.
func (r *Result) Says(texts ...string) *Result {
	r.site.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Stderr, text) {
			r.site.Fatalf("%sstderr does not say %q", r.process, text)
		}
	}
	return r
}

// SaysNot asserts what stderr says nowhere.
func (r *Result) SaysNot(text string) *Result {
	r.site.Helper()
	if strings.Contains(r.Stderr, text) {
		r.site.Fatalf("%sstderr says %q", r.process, text)
	}
	return r
}

// Error asserts the last error, and that it is what the result "reason" says too.
func (r *Result) Error(text string) *Result {
	r.site.Helper()
	if got := r.last("error: "); !strings.Contains(got, text) {
		r.site.Fatalf("%serror %q, want %q", r.process, got, text)
	}
	if reason := r.Value("reason"); !strings.Contains(reason, text) {
		r.site.Fatalf("%sreason %q, want %q", r.process, reason, text)
	}
	return r
}

// Hint asserts the next move that stderr offers; "" is none.
func (r *Result) Hint(text string) *Result {
	r.site.Helper()
	got := r.last("hint: ")
	if !strings.Contains(got, text) || text == "" && got != "" {
		r.site.Fatalf("%shint %q, want %q", r.process, got, text)
	}
	return r
}

// last is the last line of stderr with the label.
func (r *Result) last(label string) string {
	for _, line := range slices.Backward(strings.Split(r.Stderr, "\n")) {
		if text, is := strings.CutPrefix(line, "copytrigger: "+label); is {
			return text
		}
	}
	return ""
}

// Value is a result as text; "" if there is none.
func (r *Result) Value(name string) string {
	if v, is := r.Values[name]; is {
		return fmt.Sprint(v)
	}
	return ""
}
