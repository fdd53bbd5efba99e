//go:build linux

package exitfile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for name, c := range map[string]struct {
		text string
		want Exit
	}{
		"well":               {"0", Exit{Ended: true}},
		"well, with newline": {"0\n", Exit{Ended: true}},
		"white space":        {" \t0\r\n", Exit{Ended: true}},
		"failed":             {"1", Exit{Ended: true, Code: 1}},
		"the highest":        {"255", Exit{Ended: true, Code: 255}},
		"empty":              {"", Exit{Doubt: "FILE is empty"}},
		"white space alone":  {" \n", Exit{Doubt: "FILE is empty"}},
		"a signal":           {"-1", Exit{Doubt: `FILE says "-1"`}},
		"cancelled":          {"killed", Exit{Doubt: `FILE says "killed"`}},
		"two":                {"0 0", Exit{Doubt: `FILE says "0 0"`}},
		"two lines":          {"0\n1\n", Exit{Doubt: `FILE says "0\n1"`}},
		"signed":             {"+0", Exit{Doubt: `FILE says "+0"`}},
		"minus nothing":      {"-0", Exit{Doubt: `FILE says "-0"`}},
		"padded":             {"00", Exit{Doubt: `FILE says "00"`}},
		"hexadecimal":        {"0x0", Exit{Doubt: `FILE says "0x0"`}},
		"a fraction":         {"0.0", Exit{Doubt: `FILE says "0.0"`}},
		"too high":           {"256", Exit{Doubt: `FILE says "256"`}},
		"a NUL":              {"0\x00", Exit{Doubt: `FILE says "0\x00"`}},
		"long":               {strings.Repeat("0", 1000), Exit{Doubt: `FILE says "` + strings.Repeat("0", longest) + `"`}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "exitCode")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want.Doubt = strings.Replace(want.Doubt, "FILE", file, 1); want.Ended {
				want.At = at
			}
			got := Read(file)
			got.At = got.At.UTC()
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got.OK() != (c.want.Ended && c.want.Code == 0) {
				t.Errorf("got OK %v", got.OK())
			}
		})
	}
}

// What is no file says nothing, and is not waited for.
func TestReadOfNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):            "there is no " + filepath.Join(dir, "none"),
		"$(steps.step-quiesce.exitCode.path)": "there is no $(steps.step-quiesce.exitCode.path)",
		dir:                                   dir + " is not a file",
		pipe:                                  pipe + " is not a file",
		"":                                    "there is no ",
		filepath.Join(file, "below"):          "stat " + filepath.Join(file, "below") + ": not a directory",
		// It cannot be read, not even by root.
		"/proc/self/mem":                        "read /proc/self/mem: input/output error",
		filepath.Join(dir, "no", "such", "dir"): "there is no " + filepath.Join(dir, "no", "such", "dir"),
	} {
		if got := Read(path); got.OK() || got.Ended || got.Doubt != want {
			t.Errorf("%q: got %+v, want the doubt %q", path, got, want)
		}
	}
}

// A step about which nobody has read anything has not ended well.
func TestZeroExit(t *testing.T) {
	if (Exit{}).OK() {
		t.Error("the zero Exit is OK")
	}
}

func TestExitString(t *testing.T) {
	for want, e := range map[string]Exit{
		"ended with exit code 3":                 {Ended: true, Code: 3},
		"did not run to its end (there is no f)": {Doubt: "there is no f"},
	} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
