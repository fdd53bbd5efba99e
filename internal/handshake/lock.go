package handshake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// LockAnnotation is this program's own: the [Lock] of the claim. VolSync keeps what it does
// not know.
//
// Two things hang on it that no annotation of VolSync's tells: whether another run is in its
// freeze, which an unquiesce would end, and whether a process of this run was lost in its own.
const LockAnnotation = "copytrigger/locked-by"

// Lock is the run that has, or may have, quiesced the application of a claim, and its processes
// that may still let the application run. The zero Lock is that of a claim that nobody has locked.
//
//	state    value                    put on by                       refuses
//	-------  -----------------------  ------------------------------  --------------------------------
//	held     RUN/held/OWNER           await-waiting, on a free claim  await-waiting of every run
//	lost     RUN/lost/OWNER           a step that gives up: was held  the same, and fire-trigger and
//	         RUN/lost/OWNER/OWNER …   a cleanup: was held, or lost    await-completed of RUN
//	cleanup  RUN/cleanup/OWNER …      a cleanup, on a free claim      the same; await-waiting of
//	                                                                  another run waits for its end
//
// An unquiesce of the run would end another run's freeze, so the claim stays locked as long as any
// process of the run may have one under way. Each of them is an owner, and takes off only itself:
// in the states held and lost the first one is the run's own, every other one is a cleanup. When
// the run's own is off, lost becomes cleanup; when the last one is off, the claim is free.
//
// An owner that gives up, with no attempt under way, takes itself off. The run's own cannot, because
// the application may be quiesced: it stays as one that has ended ([EndedOwner]), for which no cleanup
// waits.
//
// Lost and cleanup differ, besides, in what a failed unquiesce means. After lost the application
// may be quiesced, and the claim stays locked. In the state cleanup the run has never locked the
// claim, or has let its application run, so nothing of it is quiesced.
type Lock struct {
	Run    string
	State  LockState
	Owners string // their ids, with a slash in between; see [Owner]
}

// LockState is how far the run is that has a claim locked.
type LockState uint8

// The states of a lock.
const (
	Free    LockState = iota // nobody has locked the claim
	Held                     // the run may quiesce, fire and take its copy for good
	Lost                     // a process of the run was lost, or gave up: it may do no more
	Cleanup                  // nothing but cleanups of the run is left
)

// Word is the state as it stands in the annotation, between the run's id and the owners. None has a
// slash; that of Free is "".
func (s LockState) Word() string {
	switch s {
	case Held:
		return "held"
	case Lost:
		return "lost"
	case Cleanup:
		return "cleanup"
	default:
		return ""
	}
}

// stateOf returns the state of a word. It reports false for a word that it does not know.
func stateOf(word string) (LockState, bool) {
	for s := Held; s <= Cleanup; s++ {
		if s.Word() == word {
			return s, true
		}
	}
	return Free, false
}

// ParseLock reads the value of [LockAnnotation]. A state that it does not know is taken for
// lost, which is the most careful one, and a run's id alone for held.
func ParseLock(value string) Lock {
	run, rest, marked := strings.Cut(value, "/")
	word, owners, _ := strings.Cut(rest, "/")
	switch {
	case run == "": // or of nobody, whom no cleanup could name
		return Lock{}
	case !marked:
		return Lock{Run: run, State: Held}
	}
	if state, known := stateOf(word); known {
		return Lock{run, state, owners}
	}
	return Lock{Run: run, State: Lost}
}

// RunOf returns the run of what a user has copied from a lock: its value, or the run's id alone. What
// is neither it returns unchanged.
func RunOf(text string) string {
	run, rest, _ := strings.Cut(text, "/")
	word, _, _ := strings.Cut(rest, "/")
	if _, known := stateOf(word); known {
		return run
	}
	return text
}

// String returns the value of [LockAnnotation]; "" removes it.
func (l Lock) String() string {
	parts := []string{l.Run, l.State.Word(), l.Owners}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// Of reports whether the run has the claim locked, in whatever state.
func (l Lock) Of(run string) bool { return l.State != Free && l.Run == run }

// holds reports whether the lock is what the run needs to fire and to take its copy for good.
func (l Lock) holds(run string) bool { return l.State == Held && l.Run == run }

// Has reports whether the process is an owner.
func (l Lock) Has(process string) bool { return slices.Contains(l.owners(), process) }

// Own returns the owner that is the run's own; "" for none.
func (l Lock) Own() string {
	if l.State == Held || l.State == Lost {
		return l.owners()[0]
	}
	return ""
}

func (l Lock) owners() []string { return strings.Split(l.Owners, "/") }

// with is the lock with one more owner.
func (l Lock) with(process string) Lock {
	switch {
	case l.Owners == "":
		l.Owners = process
	case !l.Has(process):
		l.Owners += "/" + process
	}
	return l
}

// without is the lock without these owners, as far as they are.
func (l Lock) without(processes ...string) Lock {
	own := l.Own()
	left := slices.DeleteFunc(l.owners(), func(o string) bool { return slices.Contains(processes, o) })
	switch {
	case len(left) == 0:
		return Lock{}
	case own != left[0] && l.State != Cleanup:
		l.State = Cleanup
	}
	l.Owners = strings.Join(left, "/")
	return l
}

// Fence is the owner of an await-waiting that gives up, and makes sure that its lock is not written
// later. It has quiesced nothing, so whoever takes another owner off takes it off, too.
const Fence = "await-waiting"

// StepwiseCleanup returns the owner of a cleanup whose steps are commands of their own: its disarm
// puts it on, and its unlock takes it off. Each of several cleanups of a run has an id of its own,
// as [CheckRun] takes it, which its repetitions have, too. "" is for the only one.
func StepwiseCleanup(id string) string {
	if id == "" {
		return "disarm"
	}
	return "disarm." + strings.ReplaceAll(id, "-", ".") // what is after a hyphen is a limit
}

// Owner returns the id of an owner that lets the application run within so many seconds, or never:
// it is ended then. 0 is for one whose unquiesce ends no freeze but its own. The id of a process
// alone is an owner that has no limit.
func Owner(process string, seconds int) string { return fmt.Sprintf("%s-%ds", process, seconds) }

// endedMark stands in place of an owner's limit, once it has given up.
const endedMark = "ended"

// EndedOwner returns what becomes of an owner that gives up: it has no attempt under way, and begins
// none any more.
func EndedOwner(owner string) string {
	process, _, _ := strings.Cut(owner, "-")
	return process + "-" + endedMark
}

// OwnerHasEnded reports whether an owner has given up.
func OwnerHasEnded(owner string) bool { return owner == EndedOwner(owner) }

// OwnerSeconds returns the limit of an owner. It reports false if that has none.
func OwnerSeconds(owner string) (seconds int, limited bool) {
	_, limit, _ := strings.Cut(owner, "-")
	n, err := strconv.Atoi(strings.TrimSuffix(limit, "s"))
	return max(n, 0), err == nil && n >= 0
}

// TakeLock decides for an await-waiting that is about to lock the claim. Write means that
// nobody has it, Look that it will be free soon.
func TakeLock(c Claim, run string) Decision {
	switch l := c.Lock; {
	case l.State == Free:
		return Decision{Do: Write, Outcome: outcome.OK, Why: "the claim is not locked"}
	case l.Run == run:
		return Decision{
			Do: End, Outcome: outcome.Tainted,
			Why: "an earlier attempt of this run has locked the claim and was lost: " +
				"the application may be quiesced, and a copy be cut after it runs again",
			Hint: "do not use this sync's copy; a cleanup of this run ends it, or by hand",
			Next: Move{Kind: MoveEnd, Run: run},
		}
	case l.State == Cleanup:
		d := notYet(fmt.Sprintf("the cleanup of run %s has locked it", l.Run))
		d.Hint, d.Next = "if nothing cleans up any more", Move{Kind: MoveCleanup, Run: l.Run}
		return *d
	default:
		d := refuse(fmt.Sprintf("run %s has locked the claim: its application may be quiesced", l.Run),
			"wait until it has ended; if it is dead, end it, "+
				"with its --unquiesce and with --pvc for all other claims that it has locked")
		d.Next = Move{Kind: MoveCleanup, Run: l.Run}
		return *d
	}
}

// WithLock decides, after any other decision, for a step of a run that has locked the claim:
// without its lock somebody may have let the application run. A decision that does not end
// well by itself is returned unchanged.
func WithLock(d Decision, c Claim, run string) Decision {
	if c.Lock.holds(run) || d.Do == Look || d.Do == End && d.Outcome != outcome.OK {
		return d
	}
	why := "the run's lock on the claim is gone: somebody may have let the application run"
	switch {
	case c.Lock.Of(run):
		why = "the run is taken for lost, by a step of it that gave up or by its cleanup: the application may run"
	case c.Lock.State != Free:
		why = fmt.Sprintf("run %s has locked the claim meanwhile: it may have let the application run", c.Lock.Run)
	}
	if d.Do == Write {
		return *refuse(why, "run await-waiting again, then quiesce and fire")
	}
	return Decision{Do: End, Outcome: outcome.Unverified, Why: why, Hint: "do not rely on this sync's copy"}
}

// HasEarlierAttempt reports whether an earlier attempt of the run has left something on the claim:
// its lock, or its trigger, which VolSync has not recorded.
func HasEarlierAttempt(c Claim, run string) bool {
	return c.Lock.Of(run) || c.Armed() && of(run, c.Trigger)
}
