package outcome

// Ending is how a step that did not end well ended. It is an error, and the whole answer to
// the user: what, on which object, why, and what to do.
type Ending struct {
	Outcome Outcome
	Why     string
	Hint    string // the next move; "" if Why says it
	Err     error  // the error behind it, if there is one
}

func (e *Ending) Error() string { return e.Why }
func (e *Ending) Unwrap() error { return e.Err }
