package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestShellLine(t *testing.T) {
	for want, args := range map[string][]string{
		"copytrigger await-waiting -n demo":      {"copytrigger", "await-waiting", "-n", "demo"},
		`kubectl patch -p '{"spec": {}}'`:        {"kubectl", "patch", "-p", `{"spec": {}}`},
		`echo '' 'it'\''s'`:                      {"echo", "", "it's"},
		"annotate volsync.backube/copy-trigger-": {"annotate", "volsync.backube/copy-trigger-"},
	} {
		if got := shellLine(args); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLineWriter(t *testing.T) {
	var got []string
	w := &lineWriter{tell: func(line string) { got = append(got, line) }}
	for _, part := range []string{"one\ntw", "o\n", "\nthr", "ee"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	w.flush()
	w.flush()
	if want := []string{"one", "two", "", "three"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStoryInALog: a file gets no colours, and no terminal codes at all.
func TestStoryInALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := newStory(out)
	s.chapter("One")
	s.command("pg_ctl", "stop")
	examination{{"a", true, "x"}, {"b", false, "y"}}.show(s)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(text, "\x1b\r") || !strings.Contains(string(text), "$ pg_ctl stop") ||
		!strings.Contains(string(text), "TORN  b") {
		t.Errorf("got %q", text)
	}
}

func TestParse(t *testing.T) {
	var said bytes.Buffer
	o, err := parse([]string{"--copytrigger", "/bin/x", "--writer=files"}, &said)
	if err != nil || o != (options{copytrigger: "/bin/x", writer: "files"}) {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := parse(nil, &said); err != nil || o.writer != "auto" {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{{"--writer=mysql"}, {"extra"}, {"--nonsense"}} {
		said.Reset()
		if _, err := parse(args, &said); err == nil || said.Len() == 0 {
			t.Errorf("%q: got no error, or one that says nothing", args)
		}
	}
}
