package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completes is what bash offers for a line, in the order of the alphabet.
func completes(t *testing.T, words ...string) []string {
	t.Helper()
	script := completion("bash", newProgram(nil, nil, withSignals()).commands())
	bash := exec.Command("bash", "-uc", script+`
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_copytrigger
printf '%s\n' "${COMPREPLY[@]}"`, "bash")
	bash.Args = append(bash.Args, words...)
	out, err := bash.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	return got
}

func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	for _, c := range []struct{ words, want []string }{
		{[]string{"copytrigger", "await-"}, []string{"await-completed", "await-pods-ended", "await-synced", "await-waiting"}},
		{[]string{"copytrigger", "--"}, []string{"--help", "--version"}},
		{[]string{"copytrigger", "help", "ver"}, []string{"verdict", "version"}},
		{[]string{"copytrigger", "unlock", "--a"}, []string{"--after", "--all"}},
		{[]string{"copytrigger", "unlock", "-n"}, []string{"-n"}},
		{[]string{"copytrigger", "unlock", "--pvc", "data", "--ru"}, []string{"--run-id"}},
		{[]string{"copytrigger", "completion", "z"}, []string{"zsh"}},
		{[]string{"copytrigger", "record", "f", "--", "psql", "--"}, nil},
		{[]string{"copytrigger", "no-such-command", "--"}, nil},
	} {
		if got := completes(t, c.words...); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.words, got, c.want)
		}
	}
}

// A shell that is there reads its own script without a complaint.
func TestCompletionsAreRead(t *testing.T) {
	for _, shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("there is no " + shell)
			}
			text := completion(shell, newProgram(nil, nil, withSignals()).commands())
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, "-n", file).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

func TestCompletionOfNoShell(t *testing.T) {
	refuses(t, map[string]refusal{
		"none":    {args: []string{"completion"}, says: "one shell is wanted", hint: "completion bash"},
		"another": {args: []string{"completion", "sh"}, says: `not ["sh"]`, hint: "completion bash"},
		"two":     {args: []string{"completion", "bash", "zsh"}, says: "one shell", hint: "completion bash"},
	})
}

// The common flags lead, the others stand under headings.
func TestHelpHasGroups(t *testing.T) {
	var help bytes.Buffer
	if code := Main([]string{"copytrigger", "run", "--help"}, Build{}, &help, &help); code != 0 {
		t.Fatalf("got code %d", code)
	}
	_, rest, _ := strings.Cut(help.String(), "\nOPTIONS:")
	for _, text := range []string{
		"\n   --hold", "--pvc", "\n   More limits:\n", "--copy-timeout", "\n   Output:\n", "--results-dir",
		"\n   Special cases:\n", "--pvc-only", "\n   Which cluster:\n", "--kubeconfig", "\n   Which pod:\n", "--container",
	} {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Fatalf("%q does not come next:\n%s", text, rest)
		}
		rest = after
	}
}

// Every group has a flag.
func TestGroups(t *testing.T) {
	source, err := os.ReadFile("flags.go")
	if err != nil {
		t.Fatal(err)
	}
	known := knownFlags(t)
	for _, line := range strings.Split(string(source), "\n") {
		list, is := strings.CutPrefix(line, "\tcase ")
		for _, name := range strings.Split(strings.TrimSuffix(list, ":"), ", ") {
			if _, there := known[strings.Trim(name, `"`)]; is && !there {
				t.Errorf("there is no flag %s", name)
			}
		}
	}
}
