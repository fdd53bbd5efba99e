package handshake

// The loops of looks and conditional writes, driven by the code that the commands run: a look,
// then Next; a write on the condition that the claim is still the one looked at, then Replied.
// What can go wrong with a write: it meets a newer version of the claim, the reply to it is
// lost, it arrives late, the process is killed before or after it.

// loop is a loop under way: its reducer, and the write that it is about to do.
type loop struct {
	reducer uint16 // interned by [model.intern]; 0 for none
	patch   patch
}

func (l loop) writes() bool { return l.patch.setTrig || l.patch.setLock }

// patch is a [Patch].
type patch struct {
	setTrig, setLock bool
	trig             value
	lock             lock
}

func (p patch) of(f facts) facts {
	if p.setTrig {
		f.trig = p.trig
	}
	if p.setLock {
		f.lock = p.lock
	}
	return f
}

// turn is what a reducer makes of a look.
type turn struct {
	reducer uint16
	patch   patch
	do      Do
	end     end
}

// begin is the run at the beginning of a loop.
func (m *model) begin(s state, reducer any) state {
	s.run.loop = loop{reducer: m.internReducer(reducer)}
	return s
}

// decideToWrite is a look of a loop.
func (m *model) decideToWrite(s state, do emit) {
	w := world{claim: s.claim}
	if s.run.at == fireMore {
		w = s.world()
	}
	if m.noLockGuard && (s.run.at == fireMore || s.run.at == givingUp) {
		w.claim.lock = m.internLock(Lock{Run: runID, State: Held})
	}
	n := m.lookOf(s.run.loop.reducer, w)
	if m.noWaitGuard || m.freshRetry && s.run.retried {
		n = m.unguarded(s, n)
	}
	if n.patch == (patch{}) {
		t := s
		t.run.loop.reducer = n.reducer
		m.ended(t, n.do, n.end, "run: finds nothing to write", do)
		return
	}
	t := s.on(s.run.at)
	t.run.mine = s.run.mine || s.run.at != fireMore // the others have read the claim just now
	t.run.loop = loop{reducer: n.reducer, patch: n.patch}
	do("run: decides to write", t)
}

// unguarded is what fire-trigger does as kubectl annotate would, for a control.
func (m *model) unguarded(s state, n turn) turn {
	if s.run.at != fireMore {
		return n
	}
	v := s.run.tok
	if m.freshRetry {
		v = m.freshly(v)
	}
	if n.patch = (patch{}); s.run.read.trig == v {
		n.do, n.end = End, isOK
		return n
	}
	n.do, n.end, n.patch = Write, isOK, patch{setTrig: true, trig: v}
	return n
}

// write is the conditional write that a process is about to do, and what may become of it.
func (m *model) write(s state, alone bool, do emit) {
	m.impatienceInDoubt(s, do)
	did, e := m.decided(s.run.loop)
	if !s.run.mine && !m.noCAS {
		do("run: the write CONFLICTS", m.replied(s, Conflict))
		if !alone && s.lost < m.lost {
			t := m.replied(s, Unknown)
			t.lost++
			do("run: the write CONFLICTS, the reply is lost", t)
		}
		return
	}
	m.ended(m.lands(m.replied(s, Written), s), did, e, "run: WRITES the claim", do)
	if alone {
		return
	}
	if s.lost < m.lost {
		t := m.lands(m.replied(s, Unknown), s)
		t.lost++
		do("run: WRITES the claim, the reply is lost", t)
		if t = m.replied(s, Unknown); m.mayBeLate(s) {
			t.late = s.run.loop.patch
			t.lost++
			do("run: waits no longer for the reply to its write, which is still on the way", t)
		}
	}
	if s.kills < m.kills {
		m.killed(m.lands(s, s), "writes, and is killed before it reports", do)
	}
}

// impatienceInDoubt is fire-trigger giving up instead of another write.
func (m *model) impatienceInDoubt(s state, do emit) {
	if f, is := m.reducer(s.run.loop).(Firing); is && f.Doubt() {
		do("run: fire-trigger gives up in doubt", m.firingGivesUp(s, f))
	}
}

// lands is t after the write of s.
func (m *model) lands(t, s state) state {
	t = t.others(s.run.loop.patch.of(s.claim))
	t.hadLock = t.hadLock || s.run.at == locking
	if s.run.at == fireMore && t.copy.cut != uncut {
		t.copy.early = true
	}
	return t
}

// replied is the run about to look again, after a reply.
func (m *model) replied(s state, r Reply) state {
	p := s.run.at
	if p == fireMore {
		p = fireLook
	}
	t := s.on(p)
	t.run.loop = loop{reducer: m.reply(s.run.loop.reducer, r)}
	return t
}

// ended is the run after a loop. what says what the last step was.
func (m *model) ended(s state, did Do, e end, what string, do emit) {
	f, _ := m.reducer(s.run.loop).(Firing)
	switch s.run.at {
	case takingBack:
		if e == isTainted {
			do(what+"; await-waiting ends", m.fails(s.report(e)))
			return
		}
		do(what+"; await-waiting waits on", s.at(awaitLook))
	case locking:
		if did == Look && m.reducer(s.run.loop).(Locking).Doubt() {
			do(what+"; its lock is fenced", m.begin(s.at(fencing), Disarming{Run: runID, Lock: LockForCleanup, Process: Fence}))
			return
		}
		if did == Look {
			do(what+"; await-waiting waits on", s.at(awaitLook))
			return
		}
		if e != isOK {
			do(what+"; await-waiting is not let lock", m.fails(s.report(e)))
			return
		}
		do(what+"; await-waiting ends ok", s.at(quiescing))
	case fencing:
		do(what+"; its lock is fenced", m.begin(s.at(fenced), Unlocking{Run: runID, Off: s.process()}))
	case fenced, disowning:
		t := s
		if s.run.at == disowning {
			t = s.report(isUnverified)
		}
		do(what+"; the step ends", m.fails(t))
	case fireLook, fireMore:
		m.fired(s, f, e, what, do)
	case givingUp:
		m.gaveBack(s, did, e, what, do)
	case disarming:
		if did == Write || e == isTainted {
			s = s.report(e)
		}
		do(what+"; disarm ends", m.disarmed(s))
	case unlocking:
		do(what+"; unlock ends", m.after(s, unlocking))
	}
}

func (m *model) fired(s state, f Firing, e end, what string, do emit) {
	switch {
	case e == isOK:
		do(what+"; fire-trigger gives up with its trigger set", m.firingGivesUp(s, f))
		do(what+"; fire-trigger ends ok", s.at(waitEcho))
	case f.MayBeSet():
		do(what+"; fire-trigger refuses, with its trigger set or in doubt", m.firingGivesUp(s, f))
	default:
		do(what+"; fire-trigger refuses", m.fails(s.report(e)))
	}
}

func (m *model) gaveBack(s state, did Do, e end, what string, do emit) {
	switch {
	case e == isTainted && did == Write && s.run.copy == 0:
		do(what+"; VolSync was copying", s.on(anewLook))
	case e == isOK && s.run.copy != 0:
		do(what+"; it finds the echo, of whatever copy", m.fails(s.report(isUnverified)))
	case e == isOK && (m.noProof || m.claimOnly):
		do(what+"; it finds the echo, ends OK", s.report(isOK).at(unquiescing))
	case e == isOK:
		do(what+"; it finds the echo", m.record(s))
	default:
		do(what+"; it has given up", m.fails(s.report(e)))
	}
}

// network delivers what a dead process has sent.
func (m *model) network(s state, do emit) {
	if s.late != (patch{}) {
		t := s.others(s.late.of(s.claim))
		t.hadLock = t.hadLock || s.late.setLock
		do("network: the dead process' write ARRIVES", t)
	}
}
