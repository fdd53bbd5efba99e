package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stage is an application with its script.
type stage struct {
	*testing.T
	app    *Application
	script string
}

func newStage(t *testing.T, p Plan) stage {
	t.Helper()
	app, err := StartApplication(NewTimeline(), t.TempDir(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Stop)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(Script), 0o755); err != nil {
		t.Fatal(err)
	}
	return stage{t, app, script}
}

func (s stage) command(verb, run string) *exec.Cmd {
	cmd := exec.Command("bash", s.script, verb)
	cmd.Env = append(os.Environ(), fmt.Sprint("CHAOS_APP=", s.app.Port()), "COPYTRIGGER_RUN_ID="+run, "CHAOS_ACTOR="+run)
	return cmd
}

// does asserts how the script ends, and for whom the application is frozen then, also by what it
// has written.
func (s stage) does(verb, run string, code int, frozen string) {
	s.Helper()
	cmd := s.command(verb, run)
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.Errorf("%s of %s ended with %d, want %d", verb, run, got, code)
	}
	s.frozen(frozen)
}

func (s stage) frozen(by string) {
	s.Helper()
	if got := s.app.FrozenBy(); got != by {
		s.Errorf("frozen by %q, want %q", got, by)
	}
	for _, name := range marks {
		text, err := os.ReadFile(filepath.Join(s.app.volume, name))
		if err != nil || strings.HasPrefix(string(text), "frozen "+by+" ") != (by != "") {
			s.Errorf("%s says %q (%v)", name, text, err)
		}
	}
}

func TestApplication(t *testing.T) {
	s := newStage(t, Plan{})
	s.frozen("")
	s.does("unquiesce", "a", 0, "")
	s.does("quiesce", "a", 0, "a")
	s.does("quiesce", "b", 1, "a")
	s.does("unquiesce", "b", 0, "")
	if thaws := s.app.Thaws(); len(thaws) != 1 || thaws[0].Frozen != "a" || thaws[0].Run != "b" {
		t.Errorf("got %v", thaws)
	}
}

func TestScopedApplication(t *testing.T) {
	s := newStage(t, Plan{Scoped: true, Tells: true})
	s.does("quiesce", "a", 0, "a")
	s.does("unquiesce", "b", 106, "a")
	s.does("unquiesce", "a", 0, "")
	s.does("unquiesce", "a", 106, "")
}

func TestCommandsFail(t *testing.T) {
	s := newStage(t, Plan{Actors: []Actor{
		{Name: "a", Commands: Commands{Behaviour{Fails: 1}, Behaviour{Fails: 2, Effect: true}}},
	}})
	s.does("quiesce", "a", 1, "")
	s.does("quiesce", "a", 0, "a")
	s.does("unquiesce", "a", 1, "")
	s.does("unquiesce", "a", 1, "")
	s.does("unquiesce", "a", 0, "")
}

// A hold lasts until its stdin ends, and knows at the end whether somebody has ended its freeze.
// One that is killed ends it.
func TestHoldOfApplication(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(stage, *exec.Cmd)
		well      bool
	}{
		"held":  {func(s stage, _ *exec.Cmd) { s.frozen("a") }, true},
		"ended": {func(s stage, _ *exec.Cmd) { s.does("unquiesce", "b", 0, "") }, false},
		"killed": {func(s stage, cmd *exec.Cmd) {
			if err := cmd.Process.Kill(); err != nil {
				s.Error(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, Plan{})
			cmd := s.command("hold", "a")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := make([]byte, len("QUIESCED\n"))
			if _, err := stdout.Read(said); err != nil || string(said) != "QUIESCED\n" {
				t.Fatalf("said %q, %v", said, err)
			}
			c.meanwhile(s, cmd)
			_ = stdin.Close()
			if err := cmd.Wait(); (err == nil) != c.well {
				t.Errorf("ended with %v", err)
			}
			if name == "killed" {
				s.app.timeline.Await("thawed a", t.Context().Done())
			}
			s.frozen("")
		})
	}
}
