//go:build unix

package podexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/podexec/podtest"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// said is what commands have said.
type said struct {
	mu      sync.Mutex
	b       bytes.Buffer
	longest int
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, len(p))
	if s.b.Len() < 1<<20 {
		s.b.Write(p)
	}
	return len(p), nil
}

func (s *said) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

var target = pods.Target{Namespace: "app", Name: "db-0", UID: "u", Container: "main", ContainerID: "id-1"}

func at(t *testing.T) (*podtest.Server, Exec, *said) {
	t.Helper()
	server := podtest.New(t, podtest.Pod{Name: "db-0", UID: "u", Claims: []string{"data"}})
	out := &said{}
	return server, Exec{Config: server.Config(), Out: out}, out
}

// protocols runs a test over each of the two.
func protocols(t *testing.T, f func(t *testing.T, server *podtest.Server, e Exec, out *said)) {
	t.Helper()
	for name, old := range map[string]bool{"WebSocket": false, "SPDY": true} {
		t.Run(name, func(t *testing.T) {
			server, e, out := at(t)
			if old {
				server.OnlySPDY()
			}
			f(t, server, e, out)
		})
	}
}

func sh(line string) Command { return Command{Args: []string{shell, "-c", line}} }

func TestRun(t *testing.T) {
	protocols(t, func(t *testing.T, _ *podtest.Server, e Exec, out *said) {
		for name, c := range map[string]struct {
			command Command
			code    int
			says    string // of the error
			out     string
		}{
			"well":           {sh("echo one; echo two >&2"), 0, "", "[db-0] one\n[db-0] two\n"},
			"array":          {Command{Args: []string{"echo", "a b", "$HOME"}}, 0, "", "[db-0] a b $HOME\n"},
			"code":           {sh("exit 7"), 7, "the command in pod app/db-0 (container main) ended with exit code 7", ""},
			"code 127":       {sh("exit 127"), 127, "ended with exit code 127", ""},
			"killed":         {sh("exec 2>&-; kill -KILL $$"), 137, "exit code 137 (killed)", "[db-0] Killed\n"},
			"not there":      {Command{Args: []string{"no-such-program"}}, 127, "was not run", ""},
			"environment":    {Command{Args: []string{"sh", "-c", "echo $A"}, Env: []string{"A=b c"}}, 0, "", "[db-0] b c\n"},
			"no end of line": {sh("printf x; printf y >&2"), 0, "", "[db-0] x\n[db-0] y\n"},
			"empty lines":    {sh(`printf '\na\n\n\nb\n\n'`), 0, "", "[db-0] \n[db-0] a\n[db-0] \n[db-0] \n[db-0] b\n[db-0] \n"},
			"no stdin":       {sh("cat; echo ended"), 0, "", "[db-0] ended\n"},
			"given stdin": {
				Command{Args: []string{"cat"}, Stdin: strings.NewReader("given\n")}, 0, "", "[db-0] given\n",
			},
		} {
			before := len(out.String())
			code, err := e.Run(t.Context(), target, c.command)
			if code != c.code || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %d, %v, want %d, %q", name, code, err, c.code, c.says)
			}
			var notRun *NotRun
			if want := name == "not there"; errors.As(err, &notRun) != want {
				t.Errorf("%s: got %v, as one that was not run: %t", name, err, !want)
			}
			got := out.String()[before:]
			if name == "well" && got == "[db-0] two\n[db-0] one\n" {
				continue // two streams have no order
			}
			if name == "no end of line" && got == "[db-0] y\n[db-0] x\n" {
				continue
			}
			if got != c.out {
				t.Errorf("%s: said %q, want %q", name, got, c.out)
			}
		}
	})
}

// The server says that all is well when its own connection to the node has broken: that is not
// believed. Nor is anything else that is not the command's own word.
func TestConnectionBreaks(t *testing.T) {
	for name, breaks := range map[string]func(*podtest.Server){
		"to the server": (*podtest.Server).Cut, "to the node": (*podtest.Server).CutNode,
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, server *podtest.Server, e Exec, _ *said) {
				c := sh("echo begun; exec sleep 600")
				c.Line = func(string) { go breaks(server) }
				code, err := e.Run(t.Context(), target, c)
				var broken *Broken
				if !errors.As(err, &broken) || code == 0 {
					t.Errorf("got %d, %v", code, err)
				}
			})
		})
	}
}

// What is seen of the end counts, whatever becomes of the connection then: a command that leaves
// something running has ended all the same.
func TestLeavesSomethingRunning(t *testing.T) {
	protocols(t, func(t *testing.T, _ *podtest.Server, e Exec, out *said) {
		if code, err := e.Run(t.Context(), target, sh("sleep 600 & echo x; exit 3")); code != 3 {
			t.Errorf("got %d, %v", code, err)
		}
		if got := out.String(); got != "[db-0] x\n" {
			t.Errorf("said %q", got)
		}
	})
}

// A limit ends the wait, and the command's stdin: that of the shell does, too.
func TestLimit(t *testing.T) {
	protocols(t, func(t *testing.T, _ *podtest.Server, e Exec, _ *said) {
		end := filepath.Join(t.TempDir(), "end")
		if err := syscall.Mkfifo(end, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("time is up")
		r, w := io.Pipe()
		defer w.Close()
		c := sh("echo begun; cat; echo ended >" + end)
		c.Stdin, c.Line = r, func(string) { cancel(why) }
		_, err := e.Run(ctx, target, c)
		var broken *Broken
		if !errors.As(err, &broken) || !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		if got, err := os.ReadFile(end); string(got) != "ended\n" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := e.Run(ctx, target, sh("exit 0")); err == nil || !strings.Contains(err.Error(), "was not run") {
			t.Errorf("after its limit: %v", err)
		}
	})
}

// Gigabytes and binary output are bounded and quoted, and change nothing of the end.
func TestOutput(t *testing.T) {
	_, e, out := at(t)
	if _, err := e.Run(t.Context(), target, sh(`printf 'a\033[2Jb\000\377 \303\244\t.\r\n'`)); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "[db-0] a\\x1b[2Jb\\x00\\xff ä\t.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r, w := io.Pipe()
	c := sh("head -c 50000000 /dev/zero; echo; yes | head -n 100000; echo all; cat; exit 9")
	c.Stdin, c.Line = r, func(line string) {
		if line == "all" {
			w.Close()
		}
	}
	code, err := e.Run(t.Context(), target, c)
	if code != 9 {
		t.Errorf("got %d, %v", code, err)
	}
	if most := 4*longestLine + 100; out.longest > most {
		t.Errorf("a message of %d bytes", out.longest)
	}
}

func TestRefused(t *testing.T) {
	protocols(t, func(t *testing.T, server *podtest.Server, e Exec, _ *said) {
		server.Refuse(403)
		_, err := e.Run(t.Context(), target, sh("exit 0"))
		var notRun *NotRun
		if !errors.As(err, &notRun) || !kube.IsForbidden(err) || !strings.Contains(notRun.Hint(), "Role copytrigger-exec") {
			t.Errorf("got %v", err)
		}
		server.Refuse(0)
		_, err = e.Run(t.Context(), pods.Target{Namespace: "app", Name: "gone", Container: "main"}, sh("exit 0"))
		if !errors.As(err, &notRun) || !kube.IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	})
	e := Exec{Config: podtest.New(t).Config(), Out: &said{}}
	e.Config.Host = "http://127.0.0.1:1"
	var notRun *NotRun
	if _, err := e.Run(t.Context(), target, sh("exit 0")); !errors.As(err, &notRun) {
		t.Errorf("nobody is there: %v", err)
	}
}

// Without a shell a JSON array is run as it is, and a shell line cannot be.
func TestNoShell(t *testing.T) {
	server, e, out := at(t)
	server.NoShell()
	there, err := e.Check(t.Context(), target, []string{"echo", "x"})
	if there || err != nil {
		t.Fatalf("got %t, %v", there, err)
	}
	if code, err := e.Run(t.Context(), target, Command{Args: []string{"echo", "x"}, Bare: true}); code != 0 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
	if got := out.String(); got != "[db-0] x\n" {
		t.Errorf("said %q", got)
	}
	if code, err := e.Run(t.Context(), target, Command{Args: []string{"false"}, Bare: true}); code != 1 || err == nil {
		t.Errorf("got %d, %v", code, err)
	}
	var notRun *NotRun
	_, err = e.Run(t.Context(), target, Command{Args: []string{"/no/such"}, Bare: true})
	if !errors.As(err, &notRun) || notRun.NoShell {
		t.Errorf("got %v", err)
	}
	_, err = e.Check(t.Context(), target, []string{shell, "-c", "exit 0"})
	if !errors.As(err, &notRun) || !notRun.NoShell || !strings.Contains(notRun.Hint(), "JSON array") {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	_, e, _ := at(t)
	if there, err := e.Check(t.Context(), target, []string{"echo"}, []string{shell, "-c", "x"}); !there || err != nil {
		t.Errorf("got %t, %v", there, err)
	}
	var notRun *NotRun
	_, err := e.Check(t.Context(), target, []string{"echo"}, []string{"psqll"})
	if !errors.As(err, &notRun) || !strings.Contains(err.Error(), "there is no program psqll") {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	file := dir + "/not-executable"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file, dir + "/none"} {
		if _, err := e.Check(t.Context(), target, []string{path}); !errors.As(err, &notRun) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// A command that knows the words of the shell around it cannot end for it.
func TestForgedEnd(t *testing.T) {
	_, e, _ := at(t)
	for i, line := range []string{"copytrigger-x 0", "none", "0"} {
		if code, err := e.Run(t.Context(), target, sh(fmt.Sprintf("echo; echo '%s'; exit 5", line))); code != 5 {
			t.Errorf("%d: got %d, %v", i, code, err)
		}
	}
}

// A server that takes the request and never answers holds up nobody.
func TestSilentServer(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	server, e, _ := at(t)
	server.Silent(block)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var broken *Broken
	if _, err := e.Run(ctx, target, sh("exit 0")); !errors.As(err, &broken) {
		t.Errorf("got %v", err)
	}
}

// What a command has said so far is not lost where it does not end, nor where nobody is told of its end.
func TestSaidBeforeTheEnd(t *testing.T) {
	protocols(t, func(t *testing.T, _ *podtest.Server, e Exec, out *said) {
		ctx, cancel := context.WithCancel(t.Context())
		c := sh(`printf 'one\nhalf'; exec sleep 600`)
		c.Line = func(string) { cancel() }
		var broken *Broken
		if _, err := e.Run(ctx, target, c); !errors.As(err, &broken) {
			t.Errorf("got %v", err)
		}
		if got := out.String(); got != "[db-0] one\n[db-0] half\n" {
			t.Errorf("said %q", got)
		}
	})
	protocols(t, func(t *testing.T, _ *podtest.Server, e Exec, out *said) {
		code, err := e.Run(t.Context(), target, Command{Args: []string{"printf", "half"}, Bare: true})
		if got := out.String(); code != 0 || err != nil || got != "[db-0] half\n" {
			t.Errorf("got %d, %v, said %q", code, err, got)
		}
	})
}
