package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every message that the program can end with has its entry in troubleshooting.md, and every entry
// there is a message of the program. What is variable in a message is … in its entry.
func TestTroubleshooting(t *testing.T) {
	made := map[string]string{}
	for _, file := range sources(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages(t, file, string(text)) {
			made[m.text] = m.at
		}
	}
	page, err := os.ReadFile("troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := entries(string(page))
	for _, text := range slices.Sorted(maps.Keys(made)) {
		if listed[text] == 0 {
			t.Errorf("%s: troubleshooting.md has no entry for\n| `%s` | | |", made[text], text)
		}
	}
	for text, times := range listed {
		if _, is := made[text]; !is {
			t.Errorf("troubleshooting.md has an entry for what nothing says any more: %s", text)
		}
		if times > 1 {
			t.Errorf("troubleshooting.md has %d entries for: %s", times, text)
		}
	}
	if len(made) < 150 {
		t.Errorf("only %d messages were found", len(made))
	}
}

// What the test above goes by: what is a message, and what is not.
func TestMessages(t *testing.T) {
	const source = `package step
import "fmt"
var shared = errors.New("a shared message of its own")
func f(s Step, name string) error {
	s.Log.Info("progress is not a message")
	_ = refuse(fmt.Sprintf("claim %q is not %s", name, "there"), "a hint is not a message")
	_ = &Ending{Why: "run " + name + " has ended: " + s.why(), Hint: s.then("a hint is no message", move)}
	why += "; and it says so, too"
	return fmt.Errorf("%s: reading the file: %w", name, err)
}`
	var got []string
	for _, m := range messages(t, "step/x.go", source) {
		got = append(got, m.text)
	}
	want := []string{
		"a shared message of its own", "claim … is not", "run … has ended", "and it says so, too", "reading the file",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// sources returns the files of the rooms whose messages a user may see at the end.
func sources(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("../internal", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"ownprocess", "podtest", "yamltest"}, d.Name()):
			return filepath.SkipDir // for tests alone
		case slices.ContainsFunc(noMessages(), func(name string) bool { return strings.HasSuffix(path, name) }):
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// noMessages are the files whose texts are something else: what each outcome means, which stands in
// reference.md, hints, a shell's script, and what a command has said.
func noMessages() []string {
	return []string{
		"outcome/outcome.go", "step/hint.go", "handshake/methods.go", "podexec/shell.go", "podexec/output.go",
		"process/line.go",
	}
}

type message struct{ text, at string }

// messages returns the texts of a file that may be in a message at the end, as entries have them.
func messages(t *testing.T, file, source string) []message {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := collector{set: set, errorsOnly: strings.Contains(file, "/cli/")}
	ast.Inspect(parsed, c.visit)
	return c.found
}

// collector walks a file.
type collector struct {
	set        *token.FileSet
	errorsOnly bool // the other texts of internal/cli are help
	found      []message
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.Field:
		return false
	case *ast.ValueSpec: // of several texts: what others say
		return len(n.Values) == 0 || nameOf(n.Values[0]) != "[]"
	case *ast.FuncDecl: // of hints
		return !strings.Contains(strings.ToLower(n.Name.Name), "hint")
	case *ast.AssignStmt:
		return !strings.HasSuffix(nameOf(n.Lhs[0]), "Hint")
	case *ast.KeyValueExpr:
		if nameOf(n.Key) == "Why" && c.errorsOnly {
			c.add(n.Value, 2)
		}
		return nameOf(n.Key) != "Hint" && nameOf(n.Key) != "Next"
	case *ast.CallExpr:
		return c.visitCall(n)
	case *ast.CompositeLit:
		if nameOf(n.Type) == "usageError" && len(n.Elts) == 2 {
			c.add(n.Elts[0], 2)
			return false
		}
		return !endsWell(n)
	case *ast.BinaryExpr:
		if n.Op == token.ADD && !c.errorsOnly {
			c.add(n, 3)
			c.visitOperands(n)
			return false
		}
	case *ast.BasicLit:
		if !c.errorsOnly {
			c.add(n, 3)
		}
	}
	return true
}

func (c *collector) visitCall(n *ast.CallExpr) bool {
	switch name := nameOf(n.Fun); name {
	case "Info", "Warn", "Error", "Debug", "tell", "then", "joinHints", "Contains", "HasPrefix", "MustCompile":
		return false
	case "about":
		for _, part := range n.Args {
			c.add(part, 2)
			c.visitOperands(part)
		}
		return false
	case "refuse", "refusedUnselected":
		c.add(n.Args[0], 2)
		return false
	case "Errorf", "New", "Sprintf", "Fprintf", "WriteString":
		if c.errorsOnly && name != "Errorf" && name != "New" {
			return false
		}
		c.add(n, 3)
		c.visitOperands(n)
		return false
	}
	return true
}

// visitOperands visits what is variable in a text.
func (c *collector) visitOperands(e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		c.visitOperands(e.X)
		c.visitOperands(e.Y)
	case *ast.CallExpr:
		for i, arg := range e.Args {
			if i != format(e) {
				ast.Inspect(arg, c.visit)
			}
		}
	}
}

var (
	wordPattern = regexp.MustCompile(`(?:^| )-{0,2}\pL\S*`)
	verbPattern = regexp.MustCompile(`%[+#]?[a-z0-9]`)
)

// add adds the text of an expression, if it has so many words.
func (c *collector) add(e ast.Expr, words int) {
	text := textOf(e)
	if len(wordPattern.FindAllString(text, -1)) < words {
		return
	}
	text = strings.Trim(text, " ;:…,\n")
	c.found = append(c.found, message{text, c.set.Position(e.Pos()).String()})
}

// textOf returns the text that an expression makes, with … for what is variable.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.BinaryExpr:
		return textOf(e.X) + textOf(e.Y)
	case *ast.CallExpr:
		if i := format(e); i >= 0 && i < len(e.Args) {
			return verbPattern.ReplaceAllString(textOf(e.Args[i]), "…")
		}
	}
	return "…"
}

// endsWell reports whether a literal is a decision or a row of an outcome that is ok.
func endsWell(n *ast.CompositeLit) bool {
	return slices.ContainsFunc(n.Elts, func(e ast.Expr) bool {
		field, is := e.(*ast.KeyValueExpr)
		return is && nameOf(field.Key) == "Outcome" && nameOf(field.Value) == "OK"
	})
}

// format returns which argument of a call is the text that it makes; -1 if it makes none.
func format(call *ast.CallExpr) int {
	switch nameOf(call.Fun) {
	case "Errorf", "New", "Sprintf", "WriteString":
		return 0
	case "Fprintf":
		return 1
	}
	return -1
}

// nameOf returns the last part of a name.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.UnaryExpr:
		return nameOf(e.X)
	case *ast.CompositeLit:
		if _, is := e.Type.(*ast.ArrayType); is {
			return "[]"
		}
	}
	return ""
}

// entries returns how often each text is an entry of the page: what stands in the first cell of a row.
func entries(page string) map[string]int {
	found := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllStringSubmatch(page, -1) {
		found[strings.ReplaceAll(m[1], `\|`, "|")]++
	}
	return found
}
