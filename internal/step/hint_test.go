package step

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A command line in a hint works as it is printed: it is made by [Step.Commands], which a test of
// package cli parses. No other text has one.
func TestCommandLinesAreMadeInOnePlace(t *testing.T) {
	line := regexp.MustCompile(`\b(copytrigger [a-z]|kubectl [a-z])`)
	var files []string
	for _, room := range []string{"step", "handshake", "outcome", "verdict", "quiesce", "kube", "pvc", "pods", "volsync"} {
		found, _ := filepath.Glob("../" + room + "/*.go")
		files = append(files, found...)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files", len(files))
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING {
				if text, _ := strconv.Unquote(lit.Value); line.MatchString(text) {
					t.Errorf("%s: %q has a command line of its own", name, text)
				}
			}
			return true
		})
	}
}

// A word that is quoted is one word to a shell, whatever is in it.
func TestQuote(t *testing.T) {
	for _, word := range []string{"", "data", "a b", "it's", `$(x) "y" \z`, "*", "app in (a,b)", "é", "-n"} {
		out, err := exec.Command("sh", "-c", "printf %s. "+quote(word)).Output()
		if string(out) != word+"." || err != nil {
			t.Errorf("%q: %s is %q, %v", word, quote(word), out, err)
		}
	}
	if got := quote("volsync.backube/copy-trigger=a"); strings.Contains(got, "'") {
		t.Errorf("%s is quoted for nothing", got)
	}
}

// What somebody must act on is within the 512 bytes that an engine shows of a reason, however long
// the names are, and whatever else there is to say.
func TestWhatIsLeftIsSaidFirst(t *testing.T) {
	s := Step{
		Namespace: strings.Repeat("n", 63), Claim: strings.Repeat("c", 253), Log: slog.New(slog.DiscardHandler),
	}
	run := strings.Repeat("r", 200)
	long := errors.New(strings.Repeat("and so on ", 200))
	r := &running{step: s, options: RunOptions{Run: run}}
	armed := s.undecided(long, run)
	for name, c := range map[string]struct {
		err  error
		says []string
	}{
		"armed":            {armed, []string{"A TRIGGER MAY STILL BE ARMED"}},
		"frozen":           {r.stillFrozen(long, long), []string{"THE APPLICATION MAY STILL BE QUIESCED"}},
		"frozen and armed": {r.stillFrozen(armed, long), []string{"THE APPLICATION MAY STILL", "A TRIGGER MAY STILL"}},
		"locked, and failed": {
			s.mergeEndings(s.unfired(long, ""), s.left(outcome.LeftLocked, run, &outcome.Ending{Why: "x"})),
			[]string{"THE CLAIM MAY STAY LOCKED"},
		},
		"cleanup": {
			Group{s}.unquiesceLost(t.Context(), CleanupOptions{Run: run, App: stuck{err: long}}, "me", long),
			[]string{"THE APPLICATION MAY STILL BE QUIESCED"},
		},
	} {
		reason := c.err.Error()
		for _, says := range append(c.says, "PVC "+s.Namespace+"/"+s.Claim+": ") {
			if !strings.Contains(reason[:512], says) {
				t.Errorf("%s: %q is not in the first 512 bytes: %q", name, says, reason[:min(len(reason), 600)])
			}
		}
		if strings.Count(reason, s.subject()) > 1 {
			t.Errorf("%s: it names the claim more than once", name)
		}
	}
}

// stuck is an application that cannot be let go.
type stuck struct {
	Application
	err error
}

func (s stuck) Unquiesce(context.Context, func(context.Context) error) error { return s.err }

// A run that had failed anyway, and then could not unlock, says so, and how to.
func TestRunThatFailedAndCannotUnlock(t *testing.T) {
	a := &app{quiesce: func(context.Context) error { return errors.New("sh ended with exit code 1") }}
	a.unquiesce = func(context.Context) error {
		a.play.faults(always(forbidden, "patch pvc"), nil)
		return nil
	}
	p := whole(t, a, runLimits, nil, nil)
	p.wants(t, want{
		outcome.Refused, []string{"THE CLAIM MAY STAY LOCKED: PVC app/data: ", "quiesce failed, so nothing was fired"},
		"copytrigger unlock -n app --pvc data --run-id " + run, "",
	})
	if hint := hintOf(p.err); strings.Contains(hint, "disarm") {
		t.Errorf("got hint %q, and nothing is armed", hint)
	}
	a.ranOnce(t)
}

// Every kind of move has a command line, and names what it is about.
func TestCommands(t *testing.T) {
	s := Step{Namespace: "app", Claim: "data", Cluster: []string{"--context", "my cluster"}}
	for _, kind := range handshake.Moves() {
		lines := s.Commands(handshake.Move{Kind: kind, Run: "run-1", Key: "k", Value: "v", Labels: "a=b", Object: "r/n"})
		if len(lines) == 0 {
			t.Errorf("move %d has none", kind)
		}
		for _, line := range lines {
			ofCluster := kind == handshake.MoveShowMutators || kind == handshake.MoveShowCluster
			if !ofCluster && !strings.Contains(line, "-n app") || !strings.HasSuffix(line, "--context 'my cluster'") {
				t.Errorf("%s: -n or --context is missing", line)
			}
		}
	}
	if got := s.Commands(handshake.Move{}); got != nil {
		t.Errorf("no move has %q", got)
	}
}
