package yamltest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/cli"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Answering makes KUBECONFIG that of a cluster whose API server answers everything with an
// error, such as [http.StatusForbidden]: a command line that is right gets as far as that,
// and does nothing.
func Answering(t *testing.T, code int) {
	t.Helper()
	reason := strings.ReplaceAll(http.StatusText(code), " ", "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure",
			"reason": %q, "code": %d, "message": "so it is"}`, reason, code)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	Must(t, os.WriteFile(file, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "x",
		"clusters": [{"name": "x", "cluster": {"server": %q}}],
		"contexts": [{"name": "x", "context": {"cluster": "x"}}]}`, server.URL), 0o600))
	t.Setenv("KUBECONFIG", file)
}

// Misread is what the program says against a command line, as one problem.
func Misread(args []string) []string {
	var stdout, stderr bytes.Buffer
	if code := cli.Main(args, cli.Build{}, &stdout, &stderr); code == outcome.Usage.Code(outcome.Stop{}) {
		return []string{fmt.Sprintf("%q: %s", args, &stderr)}
	}
	return nil
}

// Wrong is what is wrong with a command line: a variable of an engine that nobody has filled
// in, a program that is none of these, or what the program says against it.
func Wrong(args []string, unfilled *regexp.Regexp, programs ...string) []string {
	var problems []string
	for _, arg := range args {
		if unfilled.MatchString(arg) {
			problems = append(problems, fmt.Sprintf("nobody fills in %q", arg))
		}
	}
	if !slices.Contains(programs, args[0]) {
		problems = append(problems, fmt.Sprintf("the program is %q", args[0]))
	}
	return append(problems, Misread(args)...)
}
