package podexec

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// A line that is too long is passed on as far as it is kept, with how much is missing. Whoever waits for a
// line gets no part of one, and the next line is whole again.
func TestOutputOfALongLine(t *testing.T) {
	var out bytes.Buffer
	var lines []string
	w := newOutput(&out, "pod", func(line string) { lines = append(lines, line) }).stdout("T", func(ending) {})
	longest := strings.Repeat("x", longestLine)
	for _, piece := range []string{longest[1:], "xy", "z", "\n", longest + "\n", "next\n", longest + "y\nlast\n"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("%d of %d bytes are taken, %v", n, len(piece), err)
		}
	}
	want := "[pod] " + longest + "... (2 bytes more in this line)\n[pod] " + longest + "\n[pod] next\n" +
		"[pod] " + longest + "... (1 bytes more in this line)\n[pod] last\n"
	if got := out.String(); got != want {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(lines, []string{longest, "next", "last"}) {
		t.Errorf("got the lines %q", lines)
	}
}

// A command ends once, and the line that says so is not passed on. Something that it has left running
// may say what looks like another end.
func TestOutputEndsOnce(t *testing.T) {
	var out bytes.Buffer
	var endings []ending
	w := newOutput(&out, "pod", nil).stdout("T", func(e ending) { endings = append(endings, e) })
	_, _ = w.Write([]byte("said\n\nT 3\nT 0\n"))
	if got := out.String(); got != "[pod] said\n[pod] T 0\n" {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(endings, []ending{{code: 3}}) {
		t.Errorf("got %v", endings)
	}
}

// What has no end of line yet is passed on by a flush, and nothing after it: the step goes on then.
func TestOutputAfterFlush(t *testing.T) {
	var out bytes.Buffer
	o := newOutput(&out, "pod", func(line string) {
		if line == "late" {
			t.Error("a line is handed on")
		}
	})
	stdout, stderr := o.stdout("T", func(ending) { t.Error("it ends") }), o.stderr()
	_, _ = stdout.Write([]byte("one\ntwo"))
	_, _ = stderr.Write([]byte("three"))
	o.flush()
	for _, late := range []string{"late\n", "\nT 0\n"} {
		if n, err := stdout.Write([]byte(late)); n != len(late) || err != nil {
			t.Errorf("%d of %d bytes are taken, %v", n, len(late), err)
		}
	}
	if got := out.String(); got != "[pod] one\n[pod] two\n[pod] three\n" {
		t.Errorf("got %q", got)
	}
}

// What is no text is quoted, also where nothing else in the line is. Text is not, whatever it is.
func TestPrintable(t *testing.T) {
	for line, want := range map[string]string{
		"plain": "plain", "a\tb": "a\tb", "\xff": `\xff`, "a\xe4b": `a\xe4b`, "\uFFFD \x1b": "\uFFFD " + `\x1b`,
		"\u202e": `\u202e`, "\u00e4 \u65e5\u672c": "\u00e4 \u65e5\u672c",
	} {
		if got := printable([]byte(line)); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
