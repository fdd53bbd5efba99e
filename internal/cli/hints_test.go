package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

// takes returns what is wrong with a command line of this program, without doing what it says.
func takes(args []string) error {
	m := newProgram(io.Discard, io.Discard, withSignals())
	commands := m.commands()
	for i, c := range commands {
		commands[i].action = func(ctx *cli.Context) error { return m.begin(ctx, c.flags) }
	}
	return m.app("v1", commands).Run(args)
}

// words returns the words of a command line, as a shell has them.
func words(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `set -- `+line+`; for word in "$@"; do printf '%s\n' "$word"; done`).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// What kubectl is asked to do in hints, by its shape.
var kubectl = regexp.MustCompile(`^kubectl (annotate --overwrite -n \S+ pvc \S+ [a-z./-]+=.*|` +
	`get pvc -n \S+|get [a-z,]+|get pods -n \S+ -l .+?|` +
	`patch -n \S+ replicationsource/\S+ --type merge -p \{.*\}|` +
	`(delete|edit|describe) -n \S+ [a-z]+/\S+|logs -n \S+ job/\S+|` +
	`describe replicationsources -n \S+|get -n \S+ [a-z]+(/\S+)?( -o yaml)?)` +
	`( --kubeconfig .+)?( --context .+)?$`)

// Every command that a hint prints is taken by the real command line as it is printed.
func TestHintsParse(t *testing.T) {
	noEnv(t)
	for _, s := range []step.Step{
		{Namespace: "app", Claim: "data"},
		{Namespace: "app", Claim: "data", Cluster: []string{"--kubeconfig", "/a b/config", "--context", "it's"}},
	} {
		for _, kind := range handshake.Moves() {
			object, value := "replicationsource/nightly", "a $b 'c'"
			switch kind {
			case handshake.MoveShowCluster:
				object = "storageclasses"
			case handshake.MovePatch:
				value = `{"spec":{"paused":false}}`
			case handshake.MoveLog:
				object = "job/volsync-src-nightly"
			default:
			}
			for _, line := range s.Commands(handshake.Move{
				Kind: kind, Run: "run-1", Key: handshake.TriggerAnnotation, Value: value, Labels: "app in (a, b)",
				Object: object, Flags: "-o yaml",
			}) {
				args := words(t, line)
				switch {
				case args[0] == "kubectl":
					if !kubectl.MatchString(strings.Join(args, " ")) {
						t.Errorf("kubectl would not take: %s", line)
					}
				default:
					if err := takes(args); err != nil {
						t.Errorf("%s: %v", line, err)
					}
				}
			}
		}
	}
	if takes([]string{"copytrigger", "unlock", "--run-id", "run-1"}) == nil {
		t.Error("unlock is taken without --pvc")
	}
}

// A command that a text of this package names is there.
func TestTextsNameCommandsThatAreThere(t *testing.T) {
	known := []string{"help"}
	for _, c := range newProgram(io.Discard, io.Discard, withSignals()).commands() {
		known = append(known, c.name)
	}
	named := regexp.MustCompile(`\bcopytrigger ([a-z][a-z-]*)`)
	files, _ := filepath.Glob("*.go")
	count := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, is := n.(*ast.BasicLit)
			if !is || lit.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(lit.Value)
			for _, m := range named.FindAllStringSubmatch(text, -1) {
				if count++; !slices.Contains(known, m[1]) {
					t.Errorf("%s: %q: there is no command %s", name, text, m[1])
				}
			}
			return true
		})
	}
	if count < 10 {
		t.Errorf("only %d commands are named", count)
	}
}
