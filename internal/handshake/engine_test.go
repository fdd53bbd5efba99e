package handshake

// What the engine does about a process of the run that was killed, or failed.

// engine kills a process, and starts it again, or goes on to the cleanup, or (where the
// whole run is one process) begins again while the application is still quiesced.
func (m *model) engine(s state, do emit) {
	if s.kills >= m.kills || s.run.at == quiescing || s.run.at == unquiescing || s.run.at == over {
		return
	}
	if s.run.loop.writes() && s.run.mine && m.mayBeLate(s) {
		t := s
		t.late = s.run.loop.patch
		m.killed(t, "is killed with its write still on the way", do)
	}
	m.killed(s, "is killed", do)
}

// mayBeLate reports whether the write of a process may arrive after its end.
func (m *model) mayBeLate(s state) bool {
	sends := s.run.at == fireMore || s.run.at == locking && (!m.process || m.lateLocks)
	return m.lateWrites && sends && s.late == (patch{})
}

func (m *model) killed(s state, what string, do emit) {
	s.kills++
	verifies := s.run.at == verifyLook || s.run.at == verifyMore || s.run.at == disowning
	s.run.blind = s.run.blind || verifies || s.run.copy != 0 && s.frozen == 0
	to := func(t state, then string) {
		t.run.retried = m.freshRetry
		do(m.label(what, then), t)
	}
	if m.process {
		to(m.cleanup(s), "then comes the cleanup")
		if s.run.attempt < m.attempts {
			do(m.label(what, "the same run is begun again"), m.again(s))
		}
		return
	}
	if m.goesOn {
		m.goOn(s, to)
		return
	}
	switch s.run.at {
	case disarming:
		to(m.disarm(s), "disarm is tried again")
		return
	case unlocking:
		to(m.unlock(s), "unlock is tried again")
		return
	case verifyLook, verifyMore, disowning:
		to(s.at(verifyLook), "await-completed is tried again")
	case awaitLook, awaitMore, takingBack, locking, fencing, fenced:
		to(s.at(awaitLook), "await-waiting is tried again")
	case fireLook, fireMore:
		to(m.fire(s), "fire-trigger is tried again")
	case waitEcho, proveMore, cutMore, cutAgain:
		to(m.fire(s), "fire-trigger is tried again")
		to(s.at(waitEcho), "await-completed is tried again")
	case givingUp, anewLook, anewMore:
		if s.run.copy != 0 {
			to(s.at(verifyLook), "await-completed is tried again")
		} else {
			to(s.at(waitEcho), "await-completed is tried again")
		}
	}
	to(m.failed(s), "then comes the cleanup")
	if s.run.attempt < m.attempts {
		do(m.label(what, "a new attempt begins with the application as it is"), m.again(s))
	}
}

func (m *model) fire(s state) state {
	return m.begin(s.at(fireLook), Firing{Trigger: m.trigger(s.run.tok)})
}

func (m *model) unlock(s state) state {
	return m.begin(s.at(unlocking), Unlocking{Run: runID, Off: StepwiseCleanup(""), Own: true, MayBeFrozen: s.run.failed})
}

// cleanup is disarm, and then the rest.
func (m *model) cleanup(s state) state {
	t := m.disarm(s)
	t.run.copy = 0
	return t
}

// goOn is what begins in an engine that goes on when a process has been killed: its next
// container, or the cleanup. After a fire-trigger or await-completed without a code of its
// own the verdict is tainted, if it is not worse (package verdict).
func (m *model) goOn(s state, to func(t state, then string)) {
	at := s.run.at
	if at <= quiescing || at >= disarming {
		to(m.cleanup(s), "then comes the cleanup")
		return
	}
	s.run.told = true
	if at == fireLook || at == fireMore {
		to(s.at(waitEcho), "await-completed begins all the same")
		return
	}
	to(s.at(unquiescing), "unquiesce begins all the same")
}

// fails is where the run goes when a step fails.
func (m *model) fails(s state) state {
	verified := s.run.copy != 0
	s.run.copy = 0
	switch at := s.run.at; {
	case m.goesOn && (at == fireLook || at == fireMore):
		return s.at(waitEcho)
	case m.goesOn && at > quiescing:
		return s.at(unquiescing)
	case !m.process:
		return m.failed(s)
	case at <= quiescing:
		return s.at(beforeEnd)
	case verified:
		return s.at(over)
	}
	return s.at(unquiescing)
}

// failed is where an engine goes when a step fails.
func (m *model) failed(s state) state {
	if m.noDisarm || m.unquiesceFirst {
		return s.at(unquiescing)
	}
	return m.cleanup(s)
}

// after is what comes after a step of the run's end, or of its cleanup.
func (m *model) after(s state, p place) state {
	switch {
	case p == disarming && !m.unquiesceFirst:
		return s.at(unquiescing)
	case p == unquiescing && m.unquiesceFirst:
		return m.disarm(s)
	case p == unquiescing, p == disarming:
		return m.unlock(s)
	case s.run.copy != 0:
		return s.at(verifyLook)
	case m.goesOn && s.run.verdict != isOK && !s.run.final:
		return m.disarm(s)
	}
	return s.at(over)
}
