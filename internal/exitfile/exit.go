// Package exitfile keeps how a step of a run ended in a file, for engines that go on after a
// failed step.
package exitfile

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/file"
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

// OK reports whether the step ran to its end, and well.
func (e Exit) OK() bool { return e.Ended && e.Code == 0 }

func (e Exit) String() string {
	if !e.Ended {
		return "did not run to its end (" + e.Doubt + ")"
	}
	return fmt.Sprintf("ended with exit code %d", e.Code)
}

// longest is more than any exit code takes.
const longest = 64

// Read reads the file of a step. A file that is not there, or says anything but an
// exit code, means that the step did not run to its end: it was killed, or never started.
func Read(name string) Exit {
	text, info, err := file.Read(name, longest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Exit{Doubt: "there is no " + name}
	case err != nil:
		return Exit{Doubt: err.Error()}
	}
	code, doubt := parse(text)
	if doubt != "" {
		return Exit{Doubt: name + " " + doubt}
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
