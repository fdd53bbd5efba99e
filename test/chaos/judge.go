package chaos

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Process is how one process of the program ended, or one script of its steps.
type Process struct {
	Name       string
	Run        string
	Form       Form
	Start, End time.Time
	Code       int
	Killed     bool // by SIGKILL, also where the exit code hides it
	Said       string
}

// Facts are what a coordination is judged by.
type Facts struct {
	Processes []Process
	Records   []Record
	Copies    []Copy
	Thaws     []Thaw
	Locks     map[string]time.Time // of each run, when it first had the lock
	Armed     []Left               // what was armed when the last process of its run had ended
	At        time.Time            // when all had ended
	FrozenBy  string               // at the end of all; "" if the application runs
	LockedBy  string
}

// Left is something that a run has left.
type Left struct {
	Run string
	At  time.Time // when that was seen
}

// Kind is what went wrong.
type Kind string

// The kinds.
const (
	FalseSuccess Kind = "false success"
	Armed        Kind = "armed"
	Frozen       Kind = "frozen unsaid"
	Locked       Kind = "lock left unsaid"
	Uncleaned    Kind = "not cleaned up"
	Hangs        Kind = "does not end"
)

// Kinds are all of them, as tables have them.
func Kinds() []Kind { return []Kind{FalseSuccess, Armed, Frozen, Locked, Uncleaned, Hangs} }

// Finding is one thing that went wrong.
type Finding struct {
	Kind Kind
	Why  string
}

func (f Finding) String() string { return strings.ToUpper(string(f.Kind)) + ": " + f.Why }

// Judge returns what went wrong. late is how many copies were spoilt by a command of a process that
// had last looked before the run that they are of had the lock, and that nobody could call back.
func Judge(f Facts) (found []Finding, late int) {
	for _, p := range f.Processes {
		if !p.Form.Coordinates() || p.Code != 0 || p.Killed {
			continue
		}
		why := f.good(p)
		switch {
		case why == "":
		case f.wasLate(p.Run):
			late++
		default:
			found = append(found, Finding{FalseSuccess, fmt.Sprintf("%s (run %s) ended with 0, and %s", p.Name, p.Run, why)})
		}
	}
	for _, left := range f.Armed {
		if !f.told(left, Armed) {
			found = append(found, Finding{Armed, "the trigger of run " + left.Run + " stayed armed, and nobody was told"})
		}
	}
	if run := f.FrozenBy; run != "" && !f.told(Left{run, f.At}, Frozen) {
		found = append(found, Finding{Frozen, "the application stayed frozen for run " + run + ", and nobody was told"})
	}
	if run := f.LockedBy; run != "" && !f.told(Left{run, f.At}, Locked) {
		found = append(found, Finding{Locked, "the claim stayed locked by run " + run + ", and nobody was told"})
	}
	return found, late
}

// good is why the copy of a run is not good; "" if it is.
func (f Facts) good(p Process) string {
	says := p.trigger()
	at := slices.IndexFunc(f.Records, func(r Record) bool {
		return says != "" && r.Trigger == says || says == "" && runOf(r.Trigger) == p.Run
	})
	if at < 0 {
		return "VolSync recorded no trigger of it"
	}
	var of *Copy
	for i, c := range f.Copies {
		if c.Version < f.Records[at].Version && (of == nil || of.Version < c.Version) {
			of = &f.Copies[i]
		}
	}
	switch {
	case of == nil:
		return "there was no copy when VolSync recorded its trigger"
	case of.Marks == nil || of.Err != nil:
		return fmt.Sprintf("the copy could not be read: %v", of.Err)
	}
	for _, mark := range of.Marks {
		if mark != of.Marks[0] || !strings.HasPrefix(mark, "frozen "+p.Run+" ") {
			return fmt.Sprintf("its copy %s was not cut in its freeze: the application's files say %q", of.UID, of.Marks)
		}
	}
	return ""
}

// trigger is what the process has fired, as far as it says so: an attempt of its run before it may have
// fired another one, which is recorded, too.
func (p Process) trigger() string {
	all := regexp.MustCompile(`(?:"trigger":"|VolSync recorded the trigger )([^"\s]+)`).FindAllStringSubmatch(p.Said, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// wasLate reports whether the freeze of the run was ended by a command that nobody could call
// back: its process had last looked before the run had the lock, and beside that process somebody
// had started another of the same run, which let the lock go.
func (f Facts) wasLate(run string) bool {
	return slices.ContainsFunc(f.Thaws, func(t Thaw) bool {
		return t.Frozen == run && t.Run != run && t.Looked.Before(f.Locks[run]) && f.passed(t, f.Locks[run])
	})
}

// passed reports whether a process of the run was started after the one whose command t is, and
// before then.
func (f Facts) passed(t Thaw, then time.Time) bool {
	of := slices.IndexFunc(f.Processes, func(p Process) bool { return p.Name == t.Actor && p.Run == t.Run })
	return of >= 0 && slices.ContainsFunc(f.Processes, func(p Process) bool {
		return p.Run == t.Run && p.Start.After(f.Processes[of].Start) && p.Start.Before(then)
	})
}

// says are the words by which somebody is told.
func says(kind Kind) *regexp.Regexp {
	return regexp.MustCompile(map[Kind]string{
		Armed:  `stays? armed|copytrigger disarm|run disarm|disarm, unquiesce|copytrigger cleanup`,
		Frozen: `MAY STILL BE QUIESCED|unquiesce it by hand|disarm, unquiesce|then unquiesce|copytrigger cleanup`,
		Locked: `copytrigger unlock|copytrigger cleanup|stays locked|unquiesce and unlock|MAY STILL BE QUIESCED`,
	}[kind])
}

// told reports whether whoever started the run had been told that something of it is left: a
// process of it was killed, or said so; and none that began later ended as if nothing were.
func (f Facts) told(left Left, kind Kind) bool {
	var processes []Process
	for _, p := range f.Processes {
		if p.Run == left.Run && !p.Start.After(left.At) {
			processes = append(processes, p)
		}
	}
	return slices.ContainsFunc(processes, func(p Process) bool {
		return p.tells(kind) && !slices.ContainsFunc(processes, func(later Process) bool {
			return later.looked() && !later.tells(kind) && later.Start.After(p.End)
		})
	})
}

// looked reports whether the process ended with a code that says what became of the claim. Who
// was refused, or stopped, before it had looked does not call back what was said before.
func (p Process) looked() bool { return slices.Contains([]int{0, 4, 5, 6}, p.Code) }

// tells reports whether the end of the process tells somebody that something may be left.
func (p Process) tells(kind Kind) bool {
	return p.Killed || p.Code == 137 || p.Code == 2 || says(kind).MatchString(p.Said)
}
