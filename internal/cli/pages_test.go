package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The program takes every command line that a page shows, and knows each command and flag that a page
// names.
func TestPages(t *testing.T) {
	noEnv(t)
	lines, named := onPages(t)
	t.Chdir(t.TempDir())
	if err := os.Mkdir("r", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("r/trigger", []byte(mine), 0o600); err != nil { // a page reads it
		t.Fatal(err)
	}
	programs(t, ".", "quiesce", "unquiesce")
	for line, page := range lines {
		words := shellWords(t, line)
		if _, err := parsed(words[1:]...); err != nil {
			t.Errorf("%s: %s: %v", page, line, err)
		}
	}
	for line, page := range named {
		if unknown := unknownWord(line); unknown != "" {
			t.Errorf("%s: `%s`: there is no %s", page, line, unknown)
		}
	}
	if len(lines) < 8 || len(named) < 8 {
		t.Errorf("only %d lines and %d names were found", len(lines), len(named))
	}
}

// What the test above sees.
func TestUnknownWord(t *testing.T) {
	for line, want := range map[string]string{
		"copytrigger unlock --all":             "",
		"copytrigger unlock --none":            "--none",
		"copytrigger nothing":                  "command nothing",
		"copytrigger cleanup -n app --pvc x":   "",
		"copytrigger run --until=cut -- a --b": "",
	} {
		if got := unknownWord(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// unknownWord returns the command or the flag of a line that the program does not have.
func unknownWord(line string) string {
	words := strings.Fields(line)
	commands := newProgram(nil, nil, withSignals()).commands()
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == words[1] })
	if i < 0 && words[1] != "help" && !strings.HasPrefix(words[1], "-") {
		return "command " + words[1]
	}
	if i < 0 {
		return ""
	}
	known := []string{"--help", "-h"}
	for _, f := range commands[i].flags.flags() {
		known = append(known, typed(f)...)
	}
	for _, word := range words[2:] {
		name, _, _ := strings.Cut(word, "=")
		if word == "--" {
			break
		}
		if strings.HasPrefix(name, "-") && !slices.Contains(known, name) {
			return name
		}
	}
	return ""
}

var (
	shellBlocks = regexp.MustCompile("(?s)```(?:sh|console)\n(.*?)```")
	atPrompt    = regexp.MustCompile(`(?m)^\s*(?:\$ )?(copytrigger [a-z].*)$`)
	inline      = regexp.MustCompile("`(copytrigger [^`\n]+)`")
)

// onPages returns the command lines of the program that pages show, and those that they only name in
// a sentence, each with its page.
func onPages(t *testing.T) (lines, named map[string]string) {
	t.Helper()
	lines, named = map[string]string{}, map[string]string{}
	var pages []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/recipes/*.md", "../../*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		joined := strings.ReplaceAll(string(text), "\\\n", " ")
		for _, block := range shellBlocks.FindAllStringSubmatch(joined, -1) {
			for _, m := range atPrompt.FindAllStringSubmatch(block[1], -1) {
				lines[m[1]] = page
			}
		}
		for _, m := range inline.FindAllStringSubmatch(joined, -1) {
			named[m[1]] = page
		}
	}
	return lines, named
}
