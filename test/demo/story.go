package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// story is what the demo prints: one line an event, with its time and who it is about,
// so that it reads the same on a terminal and in a log.
type story struct {
	mu     sync.Mutex
	out    *os.File
	colour bool
	begun  time.Time
	lost   func(error) // told when nobody reads any more
}

// style is a terminal's code for how a text looks.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

func newStory(out *os.File) *story {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &story{
		out: out, begun: time.Now(), lost: func(error) {},
		colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
}

func (s *story) paint(as style, text string) string {
	if !s.colour || as == plain {
		return text
	}
	return "\x1b[" + string(as) + "m" + text + "\x1b[0m"
}

// print is the one way out.
func (s *story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Fprintln(s.out, text); err != nil {
		s.lost(err)
	}
}

// chapter begins a part.
func (s *story) chapter(title string) { s.print("\n" + s.paint(bold, "== "+title)) }

// note explains, in lines that are not events.
func (s *story) note(lines ...string) {
	for _, line := range lines {
		s.print("   " + line)
	}
}

// tell is an event.
func (s *story) tell(who, format string, args ...any) {
	s.event(plain, who, fmt.Sprintf(format, args...))
}

// command is what a user would type.
func (s *story) command(args ...string) { s.event(cyan, "", "$ "+shellLine(args)) }

func (s *story) event(as style, who, text string) {
	s.print(fmt.Sprintf("%7.2fs  %-12s %s", time.Since(s.begun).Seconds(), who, s.paint(as, text)))
}

// lines is a writer that tells each line that is written to it.
func (s *story) lines(who string) *lineWriter {
	return &lineWriter{tell: func(line string) { s.event(faint, who, "| "+line) }}
}

// lineWriter splits what is written to it into lines.
type lineWriter struct {
	tell func(string)
	rest string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	all := strings.Split(w.rest+string(p), "\n")
	w.rest = all[len(all)-1]
	for _, line := range all[:len(all)-1] {
		w.tell(line)
	}
	return len(p), nil
}

// flush tells a last line that has no end.
func (w *lineWriter) flush() {
	if w.rest != "" {
		w.tell(w.rest)
		w.rest = ""
	}
}

// shellLine writes arguments so that a shell reads them back as they are.
func shellLine(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`&|;<>()*?[]#~{}!") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
