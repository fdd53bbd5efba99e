package podexec

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// longestLine is as much of a line as is kept, and passed on in one piece.
const longestLine = 4 << 10

// output passes on what a command says on both of its streams: whole lines, each with the pod's
// name before it, and nothing in them that a terminal would obey.
type output struct {
	mu    sync.Mutex
	to    io.Writer
	pod   string
	line  func(string)
	ended bool
	both  []*lineWriter
}

func newOutput(to io.Writer, pod string, line func(string)) *output {
	return &output{to: to, pod: pod, line: line}
}

// stdout is the stream on which the command says how it has ended: in a line of its own, which
// begins with the token and has an empty line before it. None of both is passed on.
func (o *output) stdout(token string, ended func(ending)) *lineWriter {
	empty, found := false, false
	return o.stream(func(line []byte, whole bool) {
		if said, is := bytes.CutPrefix(line, []byte(token+" ")); is && !found {
			if how, is := readEnding(string(said)); is {
				found, empty = true, false
				ended(how)
				return
			}
		}
		if empty {
			o.say(nil)
		}
		if empty = len(line) == 0; empty {
			return
		}
		if whole && o.line != nil {
			o.line(string(line))
		}
		o.say(line)
	})
}

func (o *output) stderr() *lineWriter {
	return o.stream(func(line []byte, _ bool) { o.say(line) })
}

func (o *output) stream(each func(line []byte, whole bool)) *lineWriter {
	w := &lineWriter{each: each, mu: &o.mu, ended: &o.ended}
	o.both = append(o.both, w)
	return w
}

func (o *output) say(line []byte) { fmt.Fprintf(o.to, "[%s] %s\n", o.pod, printable(line)) }

// flush passes on what has no end of line yet. Nothing is passed on after it.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.both {
		if len(w.line) > 0 {
			w.end()
		}
	}
	o.ended = true
}

// lineWriter calls each with every line, or with the beginning of one that is too long.
type lineWriter struct {
	mu    *sync.Mutex
	ended *bool
	each  func(line []byte, whole bool)
	line  []byte // as far as it has come
	more  int    // bytes of it that are not kept
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 && !*w.ended {
		part, rest, ends := bytes.Cut(p, []byte{'\n'})
		kept := min(len(part), longestLine-len(w.line))
		w.line, w.more = append(w.line, part[:kept]...), w.more+len(part)-kept
		if p = rest; ends {
			w.end()
		}
	}
	return n, nil
}

func (w *lineWriter) end() {
	if w.more > 0 {
		w.each(fmt.Appendf(w.line, "... (%d bytes more in this line)", w.more), false)
	} else {
		w.each(bytes.TrimSuffix(w.line, []byte{'\r'}), true)
	}
	w.line, w.more = w.line[:0], 0
}

// printable is a line with everything quoted that is not text.
func printable(line []byte) string {
	if !bytes.ContainsFunc(line, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		return string(line)
	}
	var b strings.Builder
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, line[0])
		case r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
		line = line[size:]
	}
	return b.String()
}
