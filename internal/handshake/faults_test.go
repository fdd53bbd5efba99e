package handshake

// What can go wrong with a process of the run: its write meets a newer version of the
// claim, the reply to it is lost, it is killed before or after it.

// write is the conditional write that a process holds, and what it does then.
func (m *model) write(s state, alone bool, do emit) {
	retry := map[place]place{awaitWrite: awaitLook, fireWrite: fireLook, giveUpWrite: giveUp, disarmWrite: disarmLook}[s.run.at]
	next := s.report(s.run.outcome).at(m.failed())
	lost := s.on(retry)
	lost.run.doubt = s.run.at == fireWrite
	if s.run.at == giveUpWrite || s.run.at == disarmWrite {
		lost.run.unsure, lost.run.read = s.run.outcome, s.run.read
		lost.run.read.trig = s.run.hold
	}
	switch s.run.at {
	case awaitWrite:
		if s.run.outcome != isTainted {
			next = s.at(awaitLook)
		}
	case fireWrite:
		next = s.at(waitEcho)
	case disarmWrite:
		next = s.report(s.run.outcome).at(m.after(disarmLook))
	}
	if !s.run.mine && !m.noCAS {
		do("run: the write CONFLICTS", s.on(retry))
		if !alone && s.lost < m.lost {
			t := lost
			t.lost++
			do("run: the write CONFLICTS, the reply is lost", t)
		}
		return
	}
	land := func(t state) state {
		c := s.claim
		c.trig = s.run.hold
		t = t.others(c)
		if s.run.at == fireWrite && t.copy.cut != uncut {
			t.copy.early = true
		}
		return t
	}
	do("run: WRITES copy-trigger", land(next))
	if s.run.at == fireWrite {
		do("run: WRITES copy-trigger and gives up", land(s.signalled()))
	}
	if !alone && s.lost < m.lost {
		t := land(lost)
		t.lost++
		do("run: WRITES copy-trigger, the reply is lost", t)
	}
	if !alone && s.kills < m.kills {
		m.killed(land(s), "writes, and is killed before it reports", do)
	}
}

// wasDone: the reply to the write was lost, but the claim is what the write would have made
// of it, and nothing else has changed.
func (m *model) wasDone(s state, then place, do emit) bool {
	same := s.claim == s.run.read || m.byValue && s.claim.trig == s.run.read.trig
	if s.run.unsure == silent || !same {
		return false
	}
	do("run: finds that its write was done", s.report(s.run.unsure).at(then))
	return true
}

// engine kills a process, and starts it again, or goes on to the clean-up, or (where the
// whole run is one process) begins again while the application is still quiesced.
func (m *model) engine(s state, do emit) {
	if s.kills >= m.kills || s.run.at == quiesce || s.run.at == unquiesce || s.run.at == over {
		return
	}
	if m.lateWrites && s.run.at == fireWrite && s.run.mine && s.late == none {
		t := s
		t.late = s.run.hold
		m.killed(t, "is killed with its write still on the way", do)
	}
	m.killed(s, "is killed", do)
}

func (m *model) killed(s state, what string, do emit) {
	s.kills++
	to := func(p place, then string) {
		t := s.at(p)
		t.run.retried = m.freshRetry
		do(m.label(what, then), t)
	}
	switch s.run.at {
	case disarmLook, disarmWrite:
		to(disarmLook, "disarm is tried again")
		return
	case awaitLook, awaitMore, awaitWrite:
		to(awaitLook, "await-waiting is tried again")
	case fireLook, fireMore, fireWrite:
		to(fireLook, "fire-trigger is tried again")
	case waitEcho:
		to(fireLook, "fire-trigger is tried again")
		to(waitEcho, "await-completed is tried again")
	case giveUp, giveUpWrite:
		to(waitEcho, "await-completed is tried again")
	}
	to(m.failed(), "then comes the clean-up")
	if s.run.attempt < m.attempts {
		do(m.label(what, "a new attempt begins with the application as it is"), s.again())
	}
}

// network delivers what a dead process has sent.
func (m *model) network(s state, do emit) {
	if s.late != none {
		c := s.claim
		c.trig = s.late
		do("network: the dead process' write ARRIVES", s.others(c))
	}
}

// failed is where the run goes when a step fails.
func (m *model) failed() place {
	if m.noDisarm || m.unquiesceFirst {
		return unquiesce
	}
	return disarmLook
}

// after is where the clean-up goes.
func (m *model) after(p place) place {
	switch {
	case p == disarmLook && !m.unquiesceFirst:
		return unquiesce
	case p == unquiesce && m.unquiesceFirst:
		return disarmLook
	}
	return over
}
