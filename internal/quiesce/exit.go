// Package quiesce is about the user's commands around the freeze: what is known of how
// they, and the steps between them, ended.
package quiesce

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Exit is how a step ended, as far as the file with its exit code tells. Engines that go
// on after a failed step keep such files: Tekton (onError: continue) one a step, at
// $(steps.step-NAME.exitCode.path).
type Exit struct {
	Ended bool      // it ran to its end, with Code; the zero Exit did not
	Code  int       //
	At    time.Time // when it ended: the time of the file
	Doubt string    // if it did not: what is wrong with the file
}

// OK says that the step ran to its end, and well.
func (e Exit) OK() bool { return e.Ended && e.Code == 0 }

func (e Exit) String() string {
	if !e.Ended {
		return "did not run to its end (" + e.Doubt + ")"
	}
	return fmt.Sprintf("ended with exit code %d", e.Code)
}

// longest is more than any exit code takes.
const longest = 64

// ReadExit reads the file of a step. A file that is not there, or says anything but an
// exit code, means that the step did not run to its end: it was killed, or never started.
func ReadExit(file string) Exit {
	text, info, err := read(file, longest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Exit{Doubt: "there is no " + file}
	case err != nil:
		return Exit{Doubt: err.Error()}
	}
	code, doubt := parse(text)
	if doubt != "" {
		return Exit{Doubt: file + " " + doubt}
	}
	return Exit{Ended: true, Code: code, At: info.ModTime()}
}

// parse reads an exit code, with white space around it. Nothing else is one: Tekton's "-1"
// is a step that a signal killed, its "killed" one that was cancelled.
func parse(text string) (code int, doubt string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, "is empty"
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 0 || code > 255 || strconv.Itoa(code) != text {
		return 0, fmt.Sprintf("says %q", text)
	}
	return code, ""
}

// read reads a file, but not more of it than anything takes that belongs in there.
func read(file string, limit int64) (string, fs.FileInfo, error) {
	// First, because to open what is no file (a pipe) may take for ever.
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, errors.New(file + " is not a file")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return string(b), info, err
}

// ReadText reads a result that a step before has written, without white space around it.
func ReadText(file string) (string, error) {
	text, _, err := read(file, 4<<10)
	return strings.TrimSpace(text), err
}
