package outcome

// Stop is the cause of a context that a signal ended.
type Stop struct {
	Name   string // SIGTERM
	Number int
}

func (s Stop) Error() string { return "stopped by " + s.Name }

// Stops are the signals that end a step with a code of its own: SIGTERM is how a pod ends,
// SIGINT and SIGHUP are how a terminal does.
func Stops() []Stop { return []Stop{{"SIGHUP", 1}, {"SIGINT", 2}, {"SIGTERM", 15}} }
