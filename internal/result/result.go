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
	f, err := os.CreateTemp(dir, ".copytrigger-*")
	if err != nil {
		return fmt.Errorf("results directory: %w", err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// Write writes the object to stdout, and each value to its file in dir unless dir is "".
// A file appears whole or not at all.
func (v Values) Write(stdout io.Writer, dir string) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", b); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	if dir == "" {
		return nil
	}
	for _, f := range v.fields {
		if err := writeFile(filepath.Join(dir, f.name), fmt.Sprint(f.value)); err != nil {
			return fmt.Errorf("writing result %s: %w", f.name, err)
		}
	}
	return nil
}

// writeFile has no newline at the end: Tekton and Argo take the file as it is.
func writeFile(path, text string) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}
