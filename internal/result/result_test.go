package result

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func some() Values {
	var v Values
	v.Set("outcome", "ok")
	v.Set("trigger", "run.0123456789abcdef")
	v.Set("cut-time", "")
	v.Set("copy-seconds", 1.5)
	return v
}

func TestWriteJSON(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Values)
		want string
	}{
		"in order": {
			func(*Values) {},
			`{"outcome":"ok","trigger":"run.0123456789abcdef","cut-time":"","copy-seconds":1.5}`,
		},
		"replaced": {
			func(v *Values) { v.Set("outcome", "tainted") },
			`{"outcome":"tainted","trigger":"run.0123456789abcdef","cut-time":"","copy-seconds":1.5}`,
		},
		"added": {
			func(v *Values) { v.Set("reason", "\"it\"\nsays <no>") },
			`{"outcome":"ok","trigger":"run.0123456789abcdef","cut-time":"","copy-seconds":1.5,` +
				`"reason":"\"it\"\nsays \u003cno\u003e"}`,
		},
		"another number": {
			func(v *Values) { v.Set("copy-seconds", 60.0) },
			`{"outcome":"ok","trigger":"run.0123456789abcdef","cut-time":"","copy-seconds":60}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, b := some(), strings.Builder{}
			c.set(&v)
			if err := v.Write(&b, ""); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != c.want+"\n" {
				t.Errorf("got %swant %s", got, c.want)
			}
		})
	}
	b := strings.Builder{}
	if err := (Values{}).Write(&b, ""); err != nil || b.String() != "{}\n" {
		t.Errorf("nothing set: got %q, %v", b.String(), err)
	}
}

func TestGet(t *testing.T) {
	if got := some().Get("copy-seconds"); got != 1.5 {
		t.Errorf("got %v, want 1.5", got)
	}
	if got := some().Get("none"); got != nil {
		t.Errorf("got %v, want nil", got)
	}
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	earlier := []byte("what an earlier, longer attempt left")
	if err := os.WriteFile(filepath.Join(dir, "outcome"), earlier, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := some().Write(io.Discard, dir); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"outcome": "ok", "trigger": "run.0123456789abcdef", "cut-time": "", "copy-seconds": "1.5"}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, text)
		}
	}
	if got := names(t, dir); len(got) != len(want) {
		t.Errorf("got files %q, want nothing beside the results", got)
	}
}

func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A file is replaced, never written into: who has the old one open reads it whole.
func TestWriteFilesWholly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "outcome")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := some().Write(io.Discard, dir); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(old); string(got) != "before" {
		t.Errorf("the open file reads %q, want %q", got, "before")
	}
}

// A pipeline carries little; stdout has all of it.
func TestWriteCutsTheReason(t *testing.T) {
	for name, c := range map[string]struct{ reason, want string }{
		"short":            {"it is so", "it is so"},
		"just fits":        {strings.Repeat("x", 512), strings.Repeat("x", 512)},
		"a byte more":      {strings.Repeat("x", 513), strings.Repeat("x", 509) + "…"},
		"between letters":  {strings.Repeat("x", 507) + "ééé", strings.Repeat("x", 507) + "é…"},
		"within a letter":  {strings.Repeat("x", 508) + "ééé", strings.Repeat("x", 508) + "…"},
		"letters that fit": {strings.Repeat("é", 256), strings.Repeat("é", 256)},
		"not a letter":     {strings.Repeat("\x80", 600), "…"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, out := t.TempDir(), strings.Builder{}
			v := some()
			v.Set("trigger", strings.Repeat("t", 1000)) // is not cut: it must be whole to be of use
			v.Set("reason", c.reason)
			if err := v.Write(&out, dir); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"reason": c.want, "trigger": v.Get("trigger").(string)} {
				if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
					t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
				}
			}
			if name != "not a letter" && !strings.Contains(out.String(), `"reason":"`+c.reason+`"`) {
				t.Errorf("stdout has not the whole: %s", out.String())
			}
		})
	}
}

func TestWriteFails(t *testing.T) {
	full := errors.New("disk full")
	if err := some().Write(writer{full}, ""); !errors.Is(err, full) {
		t.Errorf("stdout: got %v, want %v", err, full)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "trigger", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	out := strings.Builder{}
	err := some().Write(&out, dir)
	if err == nil || !strings.Contains(err.Error(), "writing result trigger") {
		t.Errorf("file: got %v, want one that names the result", err)
	}
	if out.Len() > 0 {
		t.Errorf("stdout has %q although a file failed", out.String())
	}
	if got := names(t, dir); slices.ContainsFunc(got, func(n string) bool { return strings.HasPrefix(n, ".") }) {
		t.Errorf("left %q", got)
	}
	v := some()
	v.Set("never", func() {})
	if err := v.Write(io.Discard, ""); err == nil || !strings.Contains(err.Error(), "encoding result never") {
		t.Errorf("encoding: got %v, want one that names the result", err)
	}
}

type writer struct{ err error }

func (w writer) Write([]byte) (int, error) { return 0, w.err }

func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir  string
		want bool
	}{
		"none asked for": {"", true},
		"a directory":    {dir, true},
		"not there":      {filepath.Join(dir, "none"), false},
		"a file":         {file, false},
		"not writable":   {"/proc", false}, // for root as well
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckDir(c.dir)
			if (err == nil) != c.want {
				t.Errorf("got %v, want success %v", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "results directory: ") {
				t.Errorf("got %v, which does not say what it is about", err)
			}
		})
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "trigger")
	if err := os.WriteFile(file, []byte(" a b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(file); got != "a b" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, none := range []string{dir, filepath.Join(dir, "none"), ""} {
		if got, err := Read(none); got != "" || err == nil {
			t.Errorf("%q: got %q, %v", none, got, err)
		}
	}
}

// What a file alone has is not on stdout, until it is set for both; a clone is no part of what it was
// made of, and fits into the same limit.
func TestInFileAlone(t *testing.T) {
	said := func(v Values) string {
		var b strings.Builder
		if err := v.Write(&b, ""); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(b.String())
	}
	var v Values
	v.SetInFile("skew", 1)
	dir := t.TempDir()
	if err := v.Write(io.Discard, dir); err != nil || said(v) != "{}" {
		t.Errorf("got %s, %v", said(v), err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "skew")); err != nil || string(text) != "1" {
		t.Errorf("got the file %q, %v", text, err)
	}
	v.FitInto(600)
	of := v.Clone()
	if of.Set("skew", 2); said(of) != `{"skew":2}` || said(v) != "{}" || of.limit != 600 {
		t.Errorf("got %s of %s, limit %d", said(of), said(v), of.limit)
	}
}

// A list that is short leaves its room to the others.
func TestListsShareTheRoom(t *testing.T) {
	for _, shortFirst := range []bool{true, false} {
		var v Values
		long := List[string](slices.Repeat([]string{"postgresql"}, 30))
		if v.FitInto(600); shortFirst {
			v.Set("a", List[string]{"x"})
			v.Set("b", long)
		} else {
			v.Set("b", long)
			v.Set("a", List[string]{"x"})
		}
		texts, err := v.texts()
		if err != nil {
			t.Fatal(err)
		}
		whole := !strings.Contains(strings.Join(texts, ""), " more")
		if whole != shortFirst || carried(texts[0])+carried(texts[1])+2 > 600 {
			t.Errorf("short first: %t, whole: %t, %d and %d bytes", shortFirst, whole, carried(texts[0]), carried(texts[1]))
		}
	}
}
