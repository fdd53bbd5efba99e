//go:build linux

package quiesce

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/copytrigger/copytrigger/internal/podexec"
	"github.com/copytrigger/copytrigger/internal/podexec/podtest"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// database is the application's pod, as it is at first.
var database = podtest.Pod{Name: "db-0", UID: "1", Claims: []string{"data"}, ContainerID: "c1"}

// podAt is the pod of a server.
func podAt(t *testing.T, server *podtest.Server, log *output) Pod {
	t.Helper()
	client, err := dynamic.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	return Pod{
		Cluster: InCluster{
			podexec.Exec{Config: server.Config(), Out: log}, pods.ApplicationIn(client, podtest.Namespace),
			pods.Wanted{Claims: []string{"data"}},
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

func shell(line string) []string { return []string{"/bin/sh", "-c", line} }

// inPod are two commands in the pod of a server, with the pod chosen.
func inPod(t *testing.T, server *podtest.Server, on, off string) (*PodCommands, *output) {
	t.Helper()
	log := &output{}
	c := &PodCommands{Pod: podAt(t, server, log), On: shell(on), Off: shell(off)}
	if err := c.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, log
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestPodCommands(t *testing.T) {
	log := t.TempDir() + "/log"
	c, said := inPod(t, podtest.New(t, database), "echo on >>"+log+"; echo frozen", "echo off >>"+log)
	if err := c.Quiesce(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Unquiesce(t.Context(), always); err != nil {
		t.Error(err)
	}
	if got := read(t, log); got != "on\noff\n" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(said.String(), "[db-0] frozen\n") {
		t.Errorf("said %q", said)
	}
	if c.Lost() != nil {
		t.Error("nobody can know")
	}
}

// What becomes of the pod in the freeze: unquiesce runs in the one that is there then, and the
// freeze is not proved.
func TestPodIsAnotherOne(t *testing.T) {
	for name, c := range map[string]struct {
		becomes podtest.Pod
		says    string
	}{
		"replaced under its name": {
			podtest.Pod{Name: "db-0", UID: "2", Claims: []string{"data"}, ContainerID: "c2"},
			"pod app/db-0 was replaced by db-0",
		},
		"replaced": {
			podtest.Pod{Name: "db-xyz", UID: "2", Claims: []string{"data"}, ContainerID: "c2"},
			"pod app/db-0 was replaced by db-xyz",
		},
		"restarted": {
			podtest.Pod{Name: "db-0", UID: "1", Claims: []string{"data"}, ContainerID: "c2"},
			"container main of pod app/db-0 was restarted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := t.TempDir() + "/log"
			server := podtest.New(t, database)
			app, _ := inPod(t, server, "exit 0", "echo off >>"+log)
			if err := app.Quiesce(t.Context()); err != nil {
				t.Fatal(err)
			}
			server.Set(c.becomes)
			err := app.Unquiesce(t.Context(), always)
			if !errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if got := read(t, log); got != "off\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// The pod is away, then there is another one: unquiesce waits for it.
func TestPodComesBack(t *testing.T) {
	server := podtest.New(t, database)
	app, _ := inPod(t, server, "exit 0", "exit 0")
	if err := app.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := database
	gone.Deleting = true
	server.Set(gone)
	attempts := 0
	err := app.Unquiesce(t.Context(), func(context.Context) error {
		if attempts++; attempts == 2 {
			server.Set(podtest.Pod{Name: "db-0", UID: "2", Claims: []string{"data"}})
		}
		return nil
	})
	if !errors.Is(err, ErrNotHeld) || attempts != 2 {
		t.Errorf("got %v after %d attempts", err, attempts)
	}
}

// A connection that breaks in quiesce is no success, whoever says so; in unquiesce it is repeated.
func TestConnectionBreaks(t *testing.T) {
	for name, breaks := range map[string]func(*podtest.Server){
		"to the server": (*podtest.Server).Cut, "to the node": (*podtest.Server).CutNode,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			begun := dir + "/begun"
			if err := syscall.Mkfifo(begun, 0o600); err != nil {
				t.Fatal(err)
			}
			server := podtest.New(t, database)
			line := "echo begun >" + begun + "; exec sleep 600"
			app, log := inPod(t, server, line, "[ -e "+dir+"/again ] && exit 0; touch "+dir+"/again; "+line)
			whenBegun := func() {
				_, _ = os.ReadFile(begun)
				breaks(server)
			}
			go whenBegun()
			var broken *podexec.Broken
			if err := app.Quiesce(t.Context()); !errors.As(err, &broken) {
				t.Errorf("got %v", err)
			}
			if !strings.Contains(log.String(), "still runs in pod app/db-0 (container main)") {
				t.Errorf("said %q", log)
			}
			go whenBegun()
			if err := app.Unquiesce(t.Context(), always); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The API server is away, and so is the node for it: unquiesce goes on trying.
func TestServerIsAway(t *testing.T) {
	for name, away := range map[string]func(s *podtest.Server, code int){
		"exec": (*podtest.Server).Refuse, "pods": (*podtest.Server).Deny,
	} {
		t.Run(name, func(t *testing.T) {
			server := podtest.New(t, database)
			app, log := inPod(t, server, "exit 0", "exit 0")
			if err := app.Quiesce(t.Context()); err != nil {
				t.Fatal(err)
			}
			away(server, 503)
			attempts := 0
			err := app.Unquiesce(t.Context(), func(context.Context) error {
				if attempts++; attempts == 2 {
					away(server, 0)
				}
				return nil
			})
			if err != nil || attempts != 2 || !strings.Contains(log.String(), "unquiesce failed") {
				t.Errorf("got %v after %d attempts, and said %q", err, attempts, log)
			}
		})
	}
}

// A limit ends the wait for a quiesce, although nobody can end the command.
func TestQuiesceInPodTakesTooLong(t *testing.T) {
	app, _ := inPod(t, podtest.New(t, database), "exec sleep 600", "exit 0")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := app.Quiesce(ctx); err == nil || !strings.Contains(err.Error(), "which may go on there") {
		t.Errorf("got %v", err)
	}
}

// A cleanup chooses no pod beforehand, and what the pod was is not known.
func TestCleanupInPod(t *testing.T) {
	server := podtest.New(t, database)
	c := &PodCommands{Pod: podAt(t, server, &output{}), Off: shell("exit 0")}
	if err := c.Unquiesce(t.Context(), always); err != nil {
		t.Error(err)
	}
}

// Where there is no shell, arrays are run as they are; a shell line is refused beforehand.
func TestPodWithoutShell(t *testing.T) {
	server := podtest.New(t, database)
	server.NoShell()
	c := &PodCommands{Pod: podAt(t, server, &output{}), On: []string{"true"}, Off: []string{"true"}}
	if err := errors.Join(c.Prepare(t.Context()), c.Quiesce(t.Context()), c.Unquiesce(t.Context(), always)); err != nil {
		t.Error(err)
	}
	if !slices.ContainsFunc(server.Args(), func(args []string) bool { return slices.Equal(args, []string{"true"}) }) {
		t.Errorf("got %q", server.Args())
	}
	c.Off = shell("exit 0")
	var notRun *podexec.NotRun
	if err := c.Prepare(t.Context()); !errors.As(err, &notRun) {
		t.Errorf("got %v", err)
	}
}

// podHold is a hold in the pod of a server, which has its lock if it can.
func podHold(t *testing.T, server *podtest.Server, line string) (*PodHold, error) {
	t.Helper()
	h := NewPodHold(podAt(t, server, &output{}), shell(line), "QUIESCED")
	if err := h.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h, h.Quiesce(t.Context())
}

func TestPodHold(t *testing.T) {
	end := t.TempDir() + "/end"
	h, err := podHold(t, podtest.New(t, database), "echo before; echo ' QUIESCED\r'; cat; echo let go >"+end)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-h.Lost():
		t.Errorf("lost: %v", err)
	default:
	}
	if err := h.Unquiesce(t.Context(), never); err != nil {
		t.Error(err)
	}
	if got := read(t, end); got != "let go\n" {
		t.Errorf("got %q", got)
	}
}

// A broken connection is a lost lock: the command's stdin ends, and nobody sees how it ends.
func TestPodHoldConnectionBreaks(t *testing.T) {
	for name, breaks := range map[string]func(*podtest.Server){
		"to the server": (*podtest.Server).Cut, "to the node": (*podtest.Server).CutNode,
	} {
		t.Run(name, func(t *testing.T) {
			server := podtest.New(t, database)
			end := filepath.Join(t.TempDir(), "end")
			if err := syscall.Mkfifo(end, 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := podHold(t, server, "echo QUIESCED; cat; echo let go >"+end)
			if err != nil {
				t.Fatal(err)
			}
			breaks(server)
			var broken *podexec.Broken
			if err := <-h.Lost(); !errors.As(err, &broken) {
				t.Errorf("lost: %v", err)
			}
			if err := h.Unquiesce(t.Context(), never); !errors.Is(err, ErrNotHeld) {
				t.Errorf("got %v", err)
			}
			if got := read(t, end); got != "let go\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestPodHoldEnds(t *testing.T) {
	for line, says := range map[string]string{
		"exit 3":                     `exit code 3 before it said "QUIESCED"`,
		"echo QUIESCED; exit 7":      "exit code 7 early",
		"echo QUIESCED":              "ended early",
		"echo QUIESCED; cat; exit 3": "exit code 3",
	} {
		h, err := podHold(t, podtest.New(t, database), line)
		if strings.Contains(says, "before") {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: got %v, want %q", line, err, says)
			}
			if err := h.Unquiesce(t.Context(), never); err != nil {
				t.Errorf("%s: there was nothing to let go: %v", line, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if strings.HasSuffix(says, "early") {
			<-h.Lost()
			<-h.ended
		}
		if err := h.Unquiesce(t.Context(), never); !errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", line, err, says)
		}
	}
}

// One that goes on when its stdin has ended may have its lock still: nobody can end it.
func TestPodHoldThatDoesNotLetGo(t *testing.T) {
	h, err := podHold(t, podtest.New(t, database), "echo QUIESCED; exec sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err = h.Unquiesce(ctx, never)
	if err == nil || errors.Is(err, ErrNotHeld) || !strings.Contains(err.Error(), "cannot be ended from here") {
		t.Errorf("got %v, which says that the application runs", err)
	}
}

// A hold that never says its line: the limit ends the wait, and its stdin.
func TestPodHoldThatTakesTooLong(t *testing.T) {
	end := t.TempDir() + "/end"
	if err := syscall.Mkfifo(end, 0o600); err != nil {
		t.Fatal(err)
	}
	h := NewPodHold(podAt(t, podtest.New(t, database), &output{}), shell("cat; echo ended >"+end), "QUIESCED")
	if err := h.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan string)
	go func() { ended <- read(t, end) }()
	if err := h.Quiesce(ctx); err == nil || !strings.Contains(err.Error(), `has not said "QUIESCED" in time`) {
		t.Errorf("got %v", err)
	}
	if got := <-ended; got != "ended\n" {
		t.Errorf("got %q", got)
	}
	if err := h.Unquiesce(t.Context(), never); err != nil {
		t.Error(err)
	}
}

// A line for the shell whose first program is not there is found out beforehand, of a hold, too.
func TestPrepareLine(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, mode := range map[string]os.FileMode{"there": 0o755, "not-executable": 0o644} {
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for line, says := range map[string]string{
		"./there":                    "",
		"exit 0":                     "",
		"FOO=1 ./none":               "",
		`"./none"`:                   "",
		"if ./none; then exit 1; fi": "",
		"no-such-program || ./there": "",
		"./unquiese":                 "there is no program ./unquiese",
		"./not-executable && exit 0": "there is no program ./not-executable",
		"no-such-program x":          "there is no program no-such-program",
	} {
		pod := podAt(t, podtest.New(t, database), &output{})
		for what, app := range map[string]interface{ Prepare(context.Context) error }{
			"quiesce":   &PodCommands{Pod: pod, On: shell(line), Off: shell("exit 0")},
			"unquiesce": &PodCommands{Pod: pod, On: shell("exit 0"), Off: shell(line)},
			"hold":      NewPodHold(pod, shell(line), "QUIESCED"),
		} {
			err := app.Prepare(t.Context())
			var notRun *podexec.NotRun
			if (err != nil) != (says != "") || err != nil && (!errors.As(err, &notRun) || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s %s: got %v, want %q", what, line, err, says)
			}
		}
	}
}

// Once the application may be frozen a line is run, whatever it begins with: only the shell knows all of it.
func TestUnquiesceRunsAnyLine(t *testing.T) {
	log := t.TempDir() + "/log"
	c := &PodCommands{Pod: podAt(t, podtest.New(t, database), &output{}), Off: shell("no-such-program >>" + log)}
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	err := c.Unquiesce(ctx, func(context.Context) error {
		if attempts++; attempts == 2 {
			cancel()
			return ErrLeaveAlone
		}
		return nil
	})
	if _, serr := os.Stat(log); serr != nil || !errors.Is(err, ErrLeaveAlone) {
		t.Errorf("the line was not run: %v, %v", err, serr)
	}
}
