// Package result is what the next step of a pipeline reads: one JSON object on stdout,
// and, where a directory is given, one file a result. Tekton reads the files from
// /tekton/results, Argo by valueFrom.path; a shell reads stdout.
package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Values are results in the order in which they are written. A value is a string or a
// number; "" is written too, so that a file that a pipeline declares is always there.
type Values struct{ fields []field }

type field struct {
	name  string
	value any
}

// Set adds a result, or replaces it.
func (v *Values) Set(name string, value any) {
	for i := range v.fields {
		if v.fields[i].name == name {
			v.fields[i].value = value
			return
		}
	}
	v.fields = append(v.fields, field{name, value})
}

// Get is a result; nil if it is not set.
func (v Values) Get(name string) any {
	for _, f := range v.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// MarshalJSON keeps the order.
func (v Values) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range v.fields {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, fmt.Errorf("encoding result %s: %w", f.name, err)
		}
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// CheckDir says whether results can be written to dir. It is asked before anything is
// done to a claim, so that no step succeeds whose results nobody can read.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	name, err := writeTemp(dir, make([]byte, spaceNeeded))
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("results directory: %w", err)
	}
	return nil
}

// spaceNeeded is more than the results of a step take. A file has to be that long to be
// a test: on a full disk an empty one can still be made.
const spaceNeeded = 16 << 10

// Write writes each value to its file in dir unless dir is "", and the object to stdout.
// A file appears whole or not at all. stdout comes last: what it says is read at once, and
// cannot be taken back when a file fails.
func (v Values) Write(stdout io.Writer, dir string) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if dir != "" {
		for _, f := range v.fields {
			text := fmt.Sprint(f.value)
			if f.name == "reason" {
				text = short(text)
			}
			if err := writeFile(dir, f.name, text); err != nil {
				return fmt.Errorf("writing result %s: %w", f.name, err)
			}
		}
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", b); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// reasonLimit is how long a reason may be in a file, in bytes. Tekton carries the results
// of a step, and its own notes, in a message of 4096 bytes; a longer one fails the TaskRun.
const reasonLimit = 512

// short cuts a text to reasonLimit, not within a character. stdout has the whole.
func short(text string) string {
	const mark = "…"
	if len(text) <= reasonLimit {
		return text
	}
	end := reasonLimit - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// writeFile has no newline at the end: Tekton and Argo take the file as it is.
func writeFile(dir, name, text string) error {
	tmp, err := writeTemp(dir, []byte(text))
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

// writeTemp writes a new file that everybody may read: who collects the results is often
// another user. It leaves nothing behind when it fails. The name is its own, for two steps
// may share the directory.
func writeTemp(dir string, b []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, ".copytrigger-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
