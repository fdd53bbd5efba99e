package cli

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/step"
)

// The last line of a terminal is never as wide as it: it would wrap, and be drawn below itself. A line that
// was not drawn is not taken away.
func TestLiveLine(t *testing.T) {
	const line = "waiting: äöü"
	for width, want := range map[int]string{
		len([]rune(line)) + 1: line,
		len([]rune(line)):     "waiting: ä…",
		11:                    "waiting: …",
		2:                     "…",
		1:                     "…",
	} {
		var b strings.Builder
		l := &live{w: &b, width: func() int { return width }, times: &step.Timeline{}, stop: make(chan struct{})}
		if n, err := l.Write([]byte("copytrigger: first\n")); n != 19 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		_, _ = l.Write([]byte(waitingFor + "äöü\n"))
		_, _ = l.Write([]byte("copytrigger: second\n"))
		l.draw() // nothing is being waited for
		_, _ = l.Write([]byte("copytrigger: third\n"))
		_, _ = l.Write([]byte(waitingFor + "äöü\n"))
		l.end()
		l.draw()
		const clear = "\r\x1b[K"
		drawn := "\r" + want + "\x1b[K"
		all := "copytrigger: first\n" + drawn + clear + "copytrigger: second\ncopytrigger: third\n" + drawn + clear
		if got := b.String(); got != all {
			t.Errorf("of width %d: got %q, want %q", width, got, all)
		}
	}
}

// A part that a run has not come to is not said to have taken no time.
func TestDurationsOfNothing(t *testing.T) {
	var b strings.Builder
	m := newProgram(nil, nil, withSignals())
	m.log = newLog(&b, "text")
	if m.logDurations(&step.Timeline{}); b.Len() > 0 {
		t.Errorf("got %q", b.String())
	}
}
