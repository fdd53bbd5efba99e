package harness

// AwaitWaiting runs await-waiting, which must succeed, and gives the trigger.
func (s *Site) AwaitWaiting(run string, args ...string) string {
	s.Helper()
	r := s.Run("await-waiting", append([]string{"--run-id", run, "--timeout", "2m"}, args...)...).Ends(OK)
	trigger := r.Value("trigger")
	if len(trigger) != len(run)+1+16 || trigger[:len(run)+1] != run+"." {
		s.Fatalf("trigger %q is not %s.TOKEN", trigger, run)
	}
	return trigger
}

// Fire runs fire-trigger, which must succeed.
func (s *Site) Fire(trigger string, args ...string) *Result {
	s.Helper()
	r := s.Run("fire-trigger", append([]string{"--trigger", trigger}, args...)...).Ends(OK)
	if r.Value("trigger") != trigger || r.Value("fired-at") == "" {
		s.Fatalf("results %v, want trigger and fired-at", r.Values)
	}
	return r
}

// AwaitCompleted runs await-completed, which must succeed.
func (s *Site) AwaitCompleted(trigger string, args ...string) *Result {
	s.Helper()
	return s.Run("await-completed", append([]string{"--trigger", trigger, "--timeout", "10m"}, args...)...).Ends(OK)
}

// Unlock runs unlock, which must succeed: the application of the run runs again.
func (s *Site) Unlock(run string) {
	s.Helper()
	s.Run("unlock", "--run-id", run).Ends(OK)
}

// FireHeld gets as far as VolSync's InProgress, with a copy that stays held.
func (s *Site) FireHeld(run string) (trigger string, h Hold) {
	s.Helper()
	h = s.Hold()
	s.ReplicateAndWait(h.Source("Snapshot"))
	trigger = s.AwaitWaiting(run)
	s.Fire(trigger)
	s.AwaitStatus(InProgress)
	return trigger, h
}

// Orphan gets as far as a claim that says WaitingForTrigger with nobody behind it: what
// a VolSync that does not react looks like, to who reads the claim only.
func (s *Site) Orphan() {
	s.Helper()
	s.ReplicateAndWait(Source{})
	s.DeleteSource()
}
