package outcome

// Stop is the cause of a context that a signal ended.
type Stop struct {
	Name   string // SIGTERM
	Number int
}

func (s Stop) Error() string { return "stopped by " + s.Name }

// Stops are the signals that end a step with a code of its own: SIGTERM is how a pod ends,
// SIGINT, SIGQUIT and SIGHUP are how a terminal does.
func Stops() []Stop { return []Stop{{"SIGHUP", 1}, {"SIGINT", 2}, {"SIGQUIT", 3}, {"SIGTERM", 15}} }

// ImageStops are what images name as STOPSIGNAL instead of SIGTERM and those of [Stops]. They end
// a step that a container runtime has started: where they do not, SIGKILL does, some time later.
// The numbers are Linux's.
func ImageStops() []Stop {
	return []Stop{{"SIGUSR1", 10}, {"SIGUSR2", 12}, {"SIGWINCH", 28}, {"SIGRTMIN+3", 37}}
}
