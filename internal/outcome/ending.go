package outcome

// Ending is how a step that did not end well ended. It is an error, and the whole answer to
// the user: what, on which object, why, and what to do.
type Ending struct {
	Outcome Outcome
	Why     string
	Hint    string // the next move; "" if Why says it
	Left    Left   // what is left behind; it is said before Why, so that nothing cuts it off
	Err     error  // the error behind it, if there is one
}

func (e *Ending) Error() string {
	if e.Left == 0 {
		return e.Why
	}
	return e.Left.String() + ": " + e.Why
}

func (e *Ending) Unwrap() error { return e.Err }
