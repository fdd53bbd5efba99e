package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// teller is what the commands of one story share.
type teller struct {
	t      testscript.T
	site   *harness.Site
	proxy  *harness.Proxy
	held   harness.Hold
	app    *harness.App
	frozen string // what the application had when it was quiesced
	copied string // copyMethod
	ran    map[string]*running
}

type tellerKey struct{}

// tell prepares a story: a namespace with a claim "data", and an environment in which
// copytrigger needs no more flags than the story is about.
func tell(e *testscript.Env) error {
	scratch, err := os.MkdirTemp("", "story-")
	if err != nil {
		return err
	}
	e.Defer(func() { os.RemoveAll(scratch) })
	direct := harness.NewFor(&setup{e, scratch})
	through, proxy := direct.Proxied()
	told := &teller{t: e.T(), site: direct, proxy: proxy, ran: map[string]*running{}}
	if usesAPI(e) {
		told.site = through
	}
	e.Values[tellerKey{}] = told
	results := filepath.Join(e.WorkDir, "results")
	if err := os.Mkdir(results, 0o755); err != nil {
		return err
	}
	e.Setenv("PATH", filepath.Dir(direct.Binary())+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("KUBECONFIG", told.site.Kubeconfig)
	e.Setenv("COPYTRIGGER_RESULTS_DIR", results)
	e.Setenv("NAMESPACE", direct.Namespace)
	return nil
}

// usesAPI: a story that takes the API server away gets one that can be taken away.
func usesAPI(e *testscript.Env) bool {
	_, err := os.Stat(filepath.Join(e.WorkDir, "api-server"))
	return err == nil
}

// setup is a harness.T for the time before a story begins.
type setup struct {
	*testscript.Env
	scratch string
}

func (s *setup) Helper()                           {}
func (s *setup) Fatalf(format string, args ...any) { s.T().Fatal(fmt.Sprintf(format, args...)) }
func (s *setup) Logf(format string, args ...any)   { s.T().Log(fmt.Sprintf(format, args...)) }
func (s *setup) Cleanup(f func())                  { s.Defer(f) }
func (s *setup) Skipf(format string, args ...any)  { s.T().Skip(fmt.Sprintf(format, args...)) }
func (s *setup) Name() string                      { return strings.TrimPrefix(filepath.Base(s.WorkDir), "script-") }
func (s *setup) TempDir() string                   { return tempDir(s, s.scratch) }

// telling is a harness.T for a story's commands.
type telling struct {
	*testscript.TestScript
	t       testscript.T
	scratch string
}

func (t *telling) Helper()                          {}
func (t *telling) Cleanup(f func())                 { t.Defer(f) }
func (t *telling) Skipf(format string, args ...any) { t.t.Skip(fmt.Sprintf(format, args...)) }
func (t *telling) TempDir() string                  { return tempDir(t, t.scratch) }

func tempDir(t harness.T, in string) string {
	dir, err := os.MkdirTemp(in, "")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return dir
}

// of is what the story has so far, with failures reported as the story's.
func of(ts *testscript.TestScript) *teller {
	told := ts.Value(tellerKey{}).(*teller)
	site := *told.site
	site.T = &telling{ts, told.t, ts.Getenv("WORK")}
	told.site = &site
	return told
}
