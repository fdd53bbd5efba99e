package handshake

// Move is a command by which a user goes on after a decision. The one who makes a command line of
// it knows the namespace and the claim; this package does not.
type Move struct {
	Kind    MoveKind
	Run     string // of this program's own commands
	Cleanup string // the id of a cleanup in steps; see [StepwiseCleanup]
	Key     string // of the annotation that is written
	Value   string // the annotation's; "" takes the annotation's effect away
	Labels  string // of pods
	Object  string // as kubectl names it: RESOURCE, or RESOURCE/NAME
	Flags   string // more of kubectl's
}

// MoveKind is what a [Move] does.
type MoveKind uint8

// The kinds of moves.
const (
	NoMove          MoveKind = iota
	MoveUnlock               // takes the run's lock off, whoever has put it on
	MoveUnlockAfter          // the last step of a cleanup in steps
	MoveDisarm               // gives the run's trigger back
	MoveCleanup              // ends a run, but for what only its --unquiesce does
	MoveEnd                  // ends a run by hand: disarm, then the user unquiesces, then unlock
	MoveAnnotate
	MoveShowClaims
	MoveShowPods
	MoveShowMutators // what changes the writes of others
	MoveStartSync    // of the claim, for the run
	MoveShowSources
	MoveDelete      // Object
	MoveShow        // Object, in the namespace
	MoveShowCluster // Object, of the whole cluster
	MoveEdit        // Object
	MovePatch       // Object, by the merge patch Value
	MoveDescribeClaim
	MoveLog // of Object
)

// Moves are all kinds of moves.
func Moves() []MoveKind {
	return []MoveKind{
		MoveUnlock, MoveUnlockAfter, MoveDisarm, MoveCleanup, MoveEnd, MoveAnnotate,
		MoveShowClaims, MoveShowPods, MoveShowMutators, MoveStartSync, MoveShowSources, MoveDelete,
		MoveShow, MoveShowCluster, MoveEdit, MovePatch, MoveDescribeClaim, MoveLog,
	}
}
