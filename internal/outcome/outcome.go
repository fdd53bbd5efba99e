// Package outcome is how a run, or a step of it, ends: one table of words, exit codes and
// what each means for the copy. Everything that names an outcome reads this table.
package outcome

import "slices"

// Outcome is the word for how a run, or a step of it, ended. The words and their exit codes
// are an interface: Argo retries by them, Tekton shows them, shell scripts branch on them.
type Outcome string

// The outcomes. [Table] says what each means.
const (
	OK         Outcome = "ok"
	Failed     Outcome = "failed"
	Refused    Outcome = "refused"
	Withdrawn  Outcome = "withdrawn"
	Tainted    Outcome = "tainted"
	Unverified Outcome = "unverified"
	Unsynced   Outcome = "unsynced"
	Usage      Outcome = "usage"
	TimedOut   Outcome = "timed-out"
	Signalled  Outcome = "signalled"
)

// Row is what there is to know about an outcome.
type Row struct {
	Outcome Outcome
	Code    int    // the exit code; for Signalled the number of the signal is added
	Meaning string // to people, after the name of the step that ended so
	Copy    string // what became of the copy of this sync
	Next    string // the user's next move, where the step that ended so does not know a better one
}

// Table has a row for each outcome, in the order of the exit codes.
//
// A program that Go's runtime ends after a panic exits with 2, so that code has no row.
// 124 is the code of timeout(1), 128+n that of a shell.
func Table() []Row {
	const look = "see why in the log of the step"
	return []Row{
		{OK, 0, "done; of the last step: VolSync recorded the trigger of this run", "is good", ""},
		{Failed, 1, "an error that has no code of its own", "is not known to be good", look},
		{Refused, 3, "it was not safe to go on, or quiesce failed; nothing was fired", "was not made by this run", look},
		{Withdrawn, 4, "the trigger was taken back before VolSync took it, so no copy was made",
			"was not made; VolSync still waits", look},
		{Tainted, 5, "VolSync was copying when it gave up, or somebody else made VolSync copy, or it could not find out: " +
			"a copy may be cut while the application runs",
			"must not be trusted", "run disarm, then unquiesce, if they have not run; do not use this sync's copy"},
		{Unverified, 6, "a copy was recorded that cannot be tied to the freeze",
			"must not be trusted", "do not rely on this sync's copy"},
		{Unsynced, 7, "the copy is good, but VolSync has not moved its data, or nobody saw that it has",
			"is good, and not yet a backup", "see why the mover does not succeed; VolSync tries again with the same copy"},
		{Usage, 64, "the command line was wrong, and nothing was done", "was not made by this run", look},
		{TimedOut, 124, "the limit passed, and nothing was fired", "was not made", look},
		{Signalled, 128, "a signal stopped it, and nothing was fired", "was not made",
			"nothing was fired, and VolSync copies nothing before a run fires: start another run"},
	}
}

// row is the row of o. A word that is in no row is taken for a failure.
func row(o Outcome) Row {
	rows := Table()
	for _, r := range rows {
		if r.Outcome == o {
			return r
		}
	}
	return row(Failed)
}

// Worse reports whether a says worse of a run than b does: first what becomes of the copy, then
// whether anything was fired, then why not.
func Worse(a, b Outcome) bool {
	order := []Outcome{Tainted, Unverified, Failed, Withdrawn, Refused, TimedOut, Signalled, Usage, Unsynced, OK}
	return slices.Index(order, a) < slices.Index(order, b)
}

// Meaning returns what o means, as people read it.
func (o Outcome) Meaning() string { return row(o).Meaning }

// Next returns the user's next move after o.
func (o Outcome) Next() string { return row(o).Next }

// Code returns the exit code of o; stop is the signal of an outcome Signalled.
func (o Outcome) Code(stop Stop) int {
	r := row(o)
	if o == Signalled && stop.Number == 0 {
		return row(Failed).Code
	}
	if o == Signalled {
		return r.Code + stop.Number
	}
	return r.Code
}

// OfCode is the inverse of [Outcome.Code]. It returns "" for a code that no step of this
// program exits with, such as 137 of a process that was killed.
func OfCode(code int) (Outcome, Stop) {
	for _, r := range Table() {
		if r.Outcome != Signalled {
			if r.Code == code {
				return r.Outcome, Stop{}
			}
			continue
		}
		for _, stop := range slices.Concat(Stops(), ImageStops()) {
			if r.Code+stop.Number == code {
				return Signalled, stop
			}
		}
	}
	return "", Stop{}
}
