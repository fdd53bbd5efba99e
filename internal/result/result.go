// Package result is what the next step of a pipeline reads: one JSON object on stdout,
// and, where a directory is given, one file a result. Tekton reads the files from
// /tekton/results, Argo by valueFrom.path; a shell reads stdout.
package result

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/copytrigger/copytrigger/internal/file"
)

// Values are results in the order in which they are written. A value is a string, a number, or
// a [List]; "" is written too, so that a file that a pipeline declares is always there.
type Values struct {
	fields []field
	limit  int // of all files together, as Tekton carries them; 0 for its own
}

type field struct {
	name   string
	value  any
	inFile bool // and nowhere else
}

// Set adds a result, or replaces it.
func (v *Values) Set(name string, value any) { v.set(field{name: name, value: value}) }

// SetInFile is Set for a result that only a file has: a pipeline declares it.
func (v *Values) SetInFile(name string, value any) { v.set(field{name, value, true}) }

func (v *Values) set(f field) {
	for i := range v.fields {
		if v.fields[i].name == f.name {
			v.fields[i] = f
			return
		}
	}
	v.fields = append(v.fields, f)
}

// Clone returns values of their own.
func (v Values) Clone() Values { return Values{slices.Clone(v.fields), v.limit} }

// FitInto keeps all files together within so many bytes, as Tekton carries them. What they have of
// lists is cut for that, with a mark.
func (v *Values) FitInto(limit int) { v.limit = limit }

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
	for _, f := range v.fields {
		if f.inFile {
			continue
		}
		if b.Len() > 1 {
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

// CheckDir returns an error if results cannot be written to dir. It is asked before anything is
// done to a claim, so that no step succeeds whose results nobody can read.
func CheckDir(dir string) error {
	if dir == "" {
		return nil
	}
	f, err := file.Create(filepath.Join(dir, "results"), mode)
	if err == nil {
		_, err = f.Write(make([]byte, spaceNeeded))
		f.Discard()
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
		texts, err := v.texts()
		if err != nil {
			return err
		}
		for i, f := range v.fields {
			// Without a newline at the end: Tekton and Argo take the file as it is.
			if err := file.Write(filepath.Join(dir, f.name), []byte(texts[i]), mode); err != nil {
				return fmt.Errorf("writing result %s: %w", f.name, err)
			}
		}
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", b); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// List is a result for each member of a group, or the names of its members.
type List[T any] []T

// shorter is a result whose file holds as much of it as fits.
type shorter interface {
	short(limit int) ([]byte, error)
}

// short returns the list as a JSON array of what fits into a file. What does not is counted.
func (l List[T]) short(limit int) ([]byte, error) {
	for n := len(l); ; n-- {
		var all []any
		for _, v := range l[:n] {
			if of, is := any(v).(Values); is {
				all = append(all, of.brief())
				continue
			}
			all = append(all, v)
		}
		if more := len(l) - n; more > 0 {
			all = append(all, l.mark(more))
		}
		text, err := json.Marshal(all)
		if err != nil || carried(string(text)) <= limit || n == 0 {
			return text, err
		}
	}
}

// brief is what the file of a list has of an object: less of its reason.
func (v Values) brief() Values {
	reason, is := v.Get("reason").(string)
	if !is {
		return v
	}
	v = v.Clone()
	v.Set("reason", short(reason, briefReason))
	return v
}

// mark says how many are left out. A list of names stays one, as Tekton has it: no name is like it.
func (l List[T]) mark(more int) any {
	if _, names := any(l).(List[string]); names {
		return fmt.Sprintf("%d more", more)
	}
	return map[string]int{"more": more}
}

// IsMark reports whether a name in the file of a list is such a mark.
func IsMark(name string) bool { return strings.HasSuffix(name, " more") }

// ReadNames reads the file of a list of names.
func ReadNames(path string) (names []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the names: %w", err)
	}
	if err := json.Unmarshal(text, &names); err != nil {
		return nil, fmt.Errorf("reading the names in %s: %w", path, err)
	}
	return names, nil
}

const (
	// FilesLimit is how long all results may be as Tekton carries them, with room for its own notes.
	FilesLimit = 3600
	// overhead is what Tekton adds to each.
	overhead = 40
)

// carried is how long a result is in Tekton's message, which is JSON itself.
func carried(text string) int {
	quoted, err := json.Marshal(text)
	if err != nil {
		return len(text)
	}
	return len(quoted) + overhead
}

// texts are the results as they stand in their files. The lists share what the others leave.
func (v Values) texts() ([]string, error) {
	texts, left, lists := make([]string, len(v.fields)), cmp.Or(v.limit, FilesLimit), 0
	reasons := min(reasonLimit, left/4)
	for i, f := range v.fields {
		switch value := f.value.(type) {
		case shorter:
			lists++
			continue
		case string:
			if texts[i] = value; f.name == "reason" {
				texts[i] = short(value, reasons)
			}
		default:
			texts[i] = fmt.Sprint(value)
		}
		left -= carried(texts[i]) + len(f.name)
	}
	for i, f := range v.fields {
		list, is := f.value.(shorter)
		if !is {
			continue
		}
		text, err := list.short(left/lists - len(f.name))
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
		left -= carried(texts[i]) + len(f.name)
		lists--
	}
	return texts, nil
}

// mode lets everybody read a result: who collects the results is often another user.
const mode = 0o644

// reasonLimit is how long a reason may be in a file, in bytes. Tekton carries the results
// of a step, and its own notes, in a message of 4096 bytes; a longer one fails the TaskRun.
const reasonLimit = 512

// briefReason is the same in an object of a list.
const briefReason = 80

// short cuts a text to so many bytes, not within a character. stdout has the whole.
func short(text string, limit int) string {
	const mark = "…"
	if len(text) <= limit {
		return text
	}
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// Read returns a result that another step has written, without white space around it.
func Read(name string) (string, error) {
	text, _, err := file.Read(name, 4<<10)
	return strings.TrimSpace(text), err
}
