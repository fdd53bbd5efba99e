package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// freeze is when what happened in one freeze window.
type freeze struct {
	began     time.Time // quiesce was started
	quiesced  time.Time // and had done its work
	fired     time.Time // the claim had the trigger
	taken     time.Time // VolSync wrote InProgress
	cut       time.Time // the storage had the last byte of the copy
	completed time.Time // VolSync recorded the trigger
	thawing   time.Time // unquiesce was started
	thawed    time.Time // and had done its work
}

// phase is one part of a freeze; the parts follow each other without a gap.
type phase struct {
	name     string
	from, to time.Duration // since the freeze began
}

func (p phase) length() time.Duration { return p.to - p.from }

func (f freeze) total() time.Duration { return f.thawed.Sub(f.began) }

// phases are the parts in order. Times come from several processes of one machine; one
// that was noticed a moment late is not let go backwards.
func (f freeze) phases() []phase {
	all := []phase{
		{name: "quiesce", to: f.quiesced.Sub(f.began)},
		{name: "quiesced -> fire", to: f.fired.Sub(f.began)},
		{name: "fire -> taken", to: f.taken.Sub(f.began)},
		{name: "taken -> cut", to: f.cut.Sub(f.began)},
		{name: "cut -> completed", to: f.completed.Sub(f.began)},
		{name: "completed -> go", to: f.thawing.Sub(f.began)},
		{name: "unquiesce", to: f.thawed.Sub(f.began)},
	}
	var last time.Duration
	for i := range all {
		all[i].from, all[i].to = last, max(last, all[i].to)
		last = all[i].to
	}
	return all
}

// explanations say what time is spent on in each phase.
func explanations() map[string]string {
	return map[string]string{
		"quiesce":          "the application comes to rest",
		"quiesced -> fire": "fire-trigger starts, looks again, writes the trigger",
		"fire -> taken":    "VolSync notices: InProgress",
		"taken -> cut":     "the storage copies",
		"cut -> completed": "the storage says ready, VolSync records the trigger",
		"completed -> go":  "await-completed notices and ends",
		"unquiesce":        "the application runs again",
	}
}

// timeline draws a freeze, in plain characters.
func (f freeze) timeline() []string {
	const width = 40
	why := explanations()
	var lines []string
	for _, p := range f.phases() {
		lines = append(lines, fmt.Sprintf("%-17s %7.3f  %7.3f  |%s|  %s",
			p.name, p.from.Seconds(), p.length().Seconds(), bar(p, f.total(), width), why[p.name]))
	}
	head := fmt.Sprintf("%-17s %7s  %7s", "phase", "from/s", "for/s")
	sum := fmt.Sprintf("%-17s %7s  %7.3f  |%s|", "freeze, in all", "", f.total().Seconds(), strings.Repeat("=", width))
	return append(append([]string{head}, lines...), sum)
}

// bar marks where in the whole a phase is; a short one is still seen.
func bar(p phase, whole time.Duration, width int) string {
	if whole <= 0 {
		return strings.Repeat(" ", width)
	}
	at := func(d time.Duration) int {
		return int(math.Round(float64(d) / float64(whole) * float64(width)))
	}
	from := min(at(p.from), width-1)
	to := min(max(at(p.to), from+1), width)
	return strings.Repeat(" ", from) + strings.Repeat("#", to-from) + strings.Repeat(" ", width-to)
}
