package handshake

// What can go wrong with a process of the run: its write meets a newer version of the
// claim, the reply to it is lost, it is killed before or after it.

// write is the conditional write that a process holds, and what it does then.
func (m *model) write(s state, alone bool, do emit) {
	retry := map[place]place{awaitWrite: awaitLook, fireWrite: fireLook, giveUpWrite: giveUp, disarmWrite: disarmLook}[s.run.at]
	next := m.fails(s.report(s.run.outcome))
	unsure := s.on(retry)
	unsure.run.doubt = s.run.at == fireWrite || s.run.doubt
	if s.run.at == giveUpWrite || s.run.at == disarmWrite {
		unsure.run.unsure, unsure.run.read = s.run.outcome, s.run.read
		unsure.run.read.trig = s.run.hold
		if s.run.marks {
			unsure.run.read.lock = lost
		}
	}
	switch s.run.at {
	case awaitWrite:
		if s.run.outcome != isTainted {
			next = s.at(awaitLook)
		}
	case fireWrite:
		next = s.at(waitEcho)
	case disarmWrite:
		next = m.disarmed(s.report(s.run.outcome))
	}
	if !s.run.mine && !m.noCAS {
		do("run: the write CONFLICTS", s.on(retry))
		if !alone && s.lost < m.lost {
			t := unsure
			t.lost++
			do("run: the write CONFLICTS, the reply is lost", t)
		}
		return
	}
	land := func(t state) state {
		c := s.claim
		if c.trig = s.run.hold; s.run.marks {
			c.lock = lost
		}
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
		t := land(unsure)
		t.lost++
		do("run: WRITES copy-trigger, the reply is lost", t)
		if t = unsure; m.lateWrites && s.run.at == fireWrite && s.late == none {
			t.late = s.run.hold
			t.lost++
			do("run: waits no longer for the reply to its write, which is still on the way", t)
		}
	}
	if !alone && s.kills < m.kills {
		m.killed(land(s), "writes, and is killed before it reports", do)
	}
}

// wasDone: the reply to the write was lost, but the claim is what the write would have made
// of it, and nothing else has changed. Tainted it is by any hand.
func (m *model) wasDone(s state, do emit) bool {
	same := s.claim == s.run.read || (m.byValue || s.run.unsure == isTainted) && s.claim.trig == s.run.read.trig
	if s.run.unsure == silent || !same {
		return false
	}
	t := s.report(s.run.unsure)
	if s.run.at == disarmLook {
		t = m.disarmed(t)
	} else {
		t = m.fails(t)
	}
	do("run: finds that its write was done", t)
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
	s.run.blind = s.run.blind || s.run.at == verifyLook || s.run.at == verifyMore || s.run.owe == isUnverified || s.run.copy != 0 && s.frozen == 0
	to := func(p place, then string) {
		t := s.at(p)
		t.run.retried = m.freshRetry
		if p == disarmLook {
			t.run.copy = 0
		}
		do(m.label(what, then), t)
	}
	if m.process {
		to(disarmLook, "then comes release")
		if s.run.attempt < m.attempts {
			do(m.label(what, "the same run is begun again"), m.again(s))
		}
		return
	}
	if m.goesOn {
		m.goOn(&s, to)
		return
	}
	switch s.run.at {
	case disarmLook, disarmMark, disarmWrite:
		to(disarmLook, "disarm is tried again")
		return
	case unlockLook, unlockWrite:
		to(unlockLook, "unlock is tried again")
		return
	case verifyLook, verifyMore:
		to(verifyLook, "await-completed is tried again")
	case awaitLook, awaitMore, awaitWrite, lockLook, lockWrite:
		to(awaitLook, "await-waiting is tried again")
	case fireLook, fireMore, fireWrite:
		to(fireLook, "fire-trigger is tried again")
	case waitEcho, cutMore, cutAgain:
		to(fireLook, "fire-trigger is tried again")
		to(waitEcho, "await-completed is tried again")
	case giveUp, giveUpMark, giveUpWrite:
		if s.run.copy != 0 {
			to(verifyLook, "await-completed is tried again")
		} else {
			to(waitEcho, "await-completed is tried again")
		}
	}
	to(m.failed(), "then comes the clean-up")
	if s.run.attempt < m.attempts {
		do(m.label(what, "a new attempt begins with the application as it is"), m.again(s))
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

// writeLock is the conditional write of the lock that a process is about to make; then is
// the run after it, and look where it goes when it has to look again.
func (m *model) writeLock(s state, to lock, look place, then state, alone bool, do emit) {
	again := s.on(look)
	unsure := again
	unsure.run.tried = true
	unsure.lost++
	if !s.run.mine && !m.noCAS {
		do("run: the write of the lock CONFLICTS", again)
		if !alone && s.lost < m.lost {
			do("run: the write of the lock CONFLICTS, the reply is lost", unsure)
		}
		return
	}
	land := func(t state) state {
		c := s.claim
		c.lock = to
		return t.others(c)
	}
	do("run: WRITES the lock", land(then))
	if !alone && s.lost < m.lost {
		do("run: WRITES the lock, the reply is lost", land(unsure))
	}
	if !alone && s.kills < m.kills {
		m.killed(land(s), "writes the lock, and is killed before it goes on", do)
	}
}

// goOn is what begins in an engine that goes on when a process has been killed: its next
// container, or the clean-up. After a fire-trigger or await-completed without a word of its
// own the verdict is tainted, if it is not worse (Reports.copied, in package step).
func (m *model) goOn(s *state, to func(p place, then string)) {
	at := s.run.at
	if at <= quiesce || at >= disarmLook {
		to(disarmLook, "then comes the clean-up")
		return
	}
	s.run.told = true
	switch {
	case at == fireLook || at == fireMore || at == fireWrite:
		to(waitEcho, "await-completed begins all the same")
	default:
		to(unquiesce, "unquiesce begins all the same")
	}
}

// fails is where the run goes when a step fails.
func (m *model) fails(s state) state {
	p := m.failed()
	switch at := s.run.at; {
	case m.goesOn && (at == fireLook || at == fireMore || at == fireWrite):
		p = waitEcho
	case m.goesOn && at > quiesce:
		p = unquiesce
	case !m.process:
	case at <= quiesce:
		p = beforeEnd
	case s.run.copy != 0:
		p = over
	default:
		p = unquiesce
	}
	t := s.at(p)
	t.run.copy = 0
	return t
}

// failed is where an engine goes when a step fails.
func (m *model) failed() place {
	if m.noDisarm || m.unquiesceFirst {
		return unquiesce
	}
	return disarmLook
}

// after is where the clean-up goes.
func (m *model) after(s state, p place) place {
	switch {
	case p == disarmLook && !m.unquiesceFirst:
		return unquiesce
	case p == unquiesce && m.unquiesceFirst:
		return disarmLook
	case p == unquiesce && m.locked:
		return unlockLook
	case s.run.copy != 0:
		return verifyLook
	case m.goesOn && s.run.verdict != isOK && !s.run.final:
		return disarmLook
	}
	return over
}
