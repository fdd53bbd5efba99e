package handshake

import "github.com/copytrigger/copytrigger/internal/outcome"

// The run of the search: await-waiting, quiesce, fire-trigger, await-completed, unquiesce,
// and after any failure disarm, then unquiesce. Each command is a process that can be
// killed and started again. What a command decides, this package decides; how it applies
// the decision (in package step) is told again here: a look, then a write on the
// condition that the claim is still the one looked at, again after a conflict, and again
// after a lost reply.
//
// With model.locked the run locks the claim before quiesce and unlocks it after unquiesce.
// With model.untilCut it unquiesces at the cut, and verifies after that. With model.process
// it is one process, `copytrigger run`, and what cleans up after its death is `release`, or
// the same run begun again. With model.goesOn its steps are containers of one pod, and each
// begins when the one before has ended, however that was.

type place uint8

const (
	awaitLook   place = iota // await-waiting is about to read the claim
	awaitMore                // and then the ReplicationSource and the copy
	awaitWrite               // its take-back of an earlier attempt's trigger
	lockLook                 // it is about to read the claim for its lock
	lockWrite                //
	quiesce                  //
	fireLook                 // fire-trigger is about to read the claim
	fireMore                 // and then the ReplicationSource and the copy
	fireWrite                //
	waitEcho                 // await-completed waits
	cutMore                  // it has read the claim, and is about to read the copy
	cutAgain                 // and then the claim again, for its lock
	giveUp                   // and surrenders: reads the claim
	giveUpMark               // after a write of the trigger of which nobody knows where it is
	giveUpWrite              //
	disarmLook               // disarm is about to read the claim
	disarmMark               // its mark on the lock of the run
	disarmWrite              //
	unquiesce                //
	unlockLook               // unlock is about to read the claim
	unlockWrite              //
	verifyLook               // await-completed --copy is about to read the claim
	verifyMore               // and then the copy
	beforeStart              // run looks whether it has been here before
	beforeEnd                // or has come further than it knows
	over                     // the attempt has ended
)

// runner is the run: what its processes hold in memory and what they have reported.
type runner struct {
	at      place
	attempt uint8 // from 1; attempts of one run have the same run id
	tok     value // the trigger that await-waiting gave
	mine    bool  // the claim is still the version that was read
	read    facts // the claim as it was read, between two reads of one look
	hold    value // what is about to be written
	outcome end   // what will be reported after the write
	seen    seen  // by await-completed
	unsure  end   // the outcome of a write whose reply was lost; read is what it makes of the claim
	doubt   bool  // fire-trigger lost the reply to its write
	fence   bool  // it marks the lock when it gives up
	marks   bool  // what is about to be written is the mark, too
	tried   bool  // the reply to the lock's write was lost
	owe     end   // what will be reported after disarm, whatever that finds
	copy    uint8 // number of the copy that was cut in the freeze, if it is still to be verified
	verdict end   // what the attempt has reported
	told    bool  // some report said tainted or unverified
	blind   bool  // it was killed while it verified, the application running
	final   bool  // it is the clean-up of an engine that goes on after a failure
	retried bool  // the step is a second try (for a control)
}

// seen is a [Seen].
type seen struct {
	fired, taken bool
	since        uint8
}

// end is an [Outcome] in a state.
type end uint8

const (
	silent end = iota
	isOK
	isRefused
	isWithdrawn
	isTainted
	isUnverified
)

func endOf(o outcome.Outcome) end {
	return map[outcome.Outcome]end{
		outcome.OK: isOK, outcome.Refused: isRefused, outcome.Withdrawn: isWithdrawn,
		outcome.Tainted: isTainted, outcome.Unverified: isUnverified,
	}[o]
}

// at is the run at another place, with nothing in its memory.
func (s state) at(p place) state {
	r := s.run
	s.run = runner{at: p, attempt: r.attempt, tok: r.tok, copy: r.copy, verdict: r.verdict, told: r.told, retried: r.retried, blind: r.blind, final: r.final}
	s.run.final = s.run.final || p == disarmLook
	if p == verifyLook {
		s.run.seen = seen{fired: true, taken: true}
	}
	return s
}

// on is the run at another place of the same process, which keeps its memory.
func (s state) on(p place) state {
	t := s.at(p)
	t.run.seen, t.run.fence, t.run.tried, t.run.owe = s.run.seen, s.run.fence, s.run.tried, s.run.owe
	t.run.doubt = s.run.doubt && (p == fireLook || p == fireWrite)
	return t
}

// about is the run about to write what it has decided from a look just now.
func (s state) about(p place) state {
	t := s.on(p)
	t.run.mine = true
	return t
}

func (s state) report(e end) state {
	s.run.verdict = e
	s.run.told = s.run.told || e == isTainted || e == isUnverified
	return s
}

// coordinator is one step of the run. Alone, it leaves the faults out.
func (m *model) coordinator(s state, alone bool, do emit) {
	r := s.run
	switch {
	case r.doubt:
		do("run: fire-trigger gives up in doubt", m.doubts(s))
	case r.at == awaitLook, r.at == awaitMore, r.at == lockLook, r.at == fireLook, r.at == fireMore:
		do("run: gives up before it fired", m.fails(s))
	}
	switch r.at {
	case awaitLook, fireLook:
		t := s
		t.run.at++
		t.run.mine, t.run.read = true, s.claim
		do("run: reads the claim", t)
	case awaitMore:
		m.await(s, do)
	case fireMore:
		m.fire(s, do)
	case lockLook, lockWrite:
		m.lock(s, alone, do)
	case quiesce:
		t := s.at(fireLook)
		t.frozen, t.made = r.attempt, false
		do("run: QUIESCES", t)
	case waitEcho:
		m.wait(s, do)
	case cutMore:
		m.cut(s, do)
	case cutAgain:
		if !m.patient {
			t := s.gives(m)
			t.run.copy = 0
			do("run: await-completed gives up", t)
		}
		if s.claim.lock == locked || !m.locked || m.noSecondLook {
			do("run: await-completed sees the cut", s.at(unquiesce))
			return
		}
		t := s.gives(m)
		t.run.copy = 0
		do("run: await-completed sees that its lock is gone", t)
	case giveUp:
		m.surrender(s, do)
	case disarmLook:
		m.disarm(s, do)
	case giveUpMark:
		m.writeLock(s, lost, giveUp, m.fails(s.report(s.run.outcome)), alone, do)
	case disarmMark:
		t := s
		if s.run.outcome == isTainted {
			t = s.report(isTainted)
		}
		m.writeLock(s, lost, disarmLook, m.disarmed(t), alone, do)
	case awaitWrite, fireWrite, giveUpWrite, disarmWrite:
		m.write(s, alone, do)
	case unquiesce:
		t := s.at(m.after(s, unquiesce))
		t.frozen = 0
		do("run: UNQUIESCES", t)
	case unlockLook, unlockWrite:
		m.unlock(s, alone, do)
	case verifyLook:
		t := s.on(verifyMore)
		t.run.read = s.claim
		do("run: reads the claim", t)
	case verifyMore:
		m.verify(s, do)
	case beforeStart, beforeEnd:
		m.before(s, do)
	case over:
		if r.verdict != isOK && r.attempt < m.attempts && !alone {
			do("engine: begins a new attempt of the run", m.again(s))
		}
	}
	if !alone {
		m.engine(s, do)
	}
}

// hold is the run about to write.
func (s state) hold(p place, v value, e end) state {
	t := s.on(p)
	t.run.mine = s.run.mine || p == giveUpWrite || p == disarmWrite // these have read the claim just now
	t.run.hold, t.run.outcome = v, e
	if p == giveUpWrite || p == disarmWrite {
		t.run.read = s.claim
	}
	return t
}

// gives is await-completed giving up: with a lock, that is marked.
func (s state) gives(m *model) state {
	t := s.on(giveUp)
	t.run.fence = m.locked && !m.noMark
	return t
}

// again is a new attempt of the same run.
func (m *model) again(s state) state {
	t := s.at(awaitLook)
	if m.process {
		t = s.at(beforeStart)
	}
	t.run.attempt++
	t.run.verdict, t.run.retried, t.run.copy, t.run.final = silent, false, 0, false
	return t
}

// before is what run does about an earlier attempt of its own, at its start and where it
// ends before it quiesced: it only cleans up.
func (m *model) before(s state, do emit) {
	switch {
	case m.decide(question{step: beforeStep, world: world{claim: s.claim}}).end == isTainted:
		t := s.at(disarmLook)
		t.run.owe = isTainted
		do("run: an earlier attempt was lost", t)
	case s.run.at == beforeStart:
		do("run: begins", s.at(awaitLook))
	default:
		do("run: ends", s.at(over))
	}
}

func (m *model) await(s state, do emit) {
	switch d := m.decide(question{step: awaitStep, world: s.world()}); {
	case d.do == Write:
		do("run: await-waiting decides to take an earlier trigger back", s.hold(awaitWrite, d.value, d.end))
	case d.do == Look:
		do("run: await-waiting waits on", s.at(awaitLook))
	case d.end == isOK:
		t := s.at(quiesce)
		if m.locked {
			t = s.at(lockLook)
		}
		t.run.tok = d.value
		do("run: await-waiting ends ok", t)
	default:
		do("run: await-waiting refuses", m.fails(s.report(d.end)))
	}
}

// lock is the end of await-waiting.
func (m *model) lock(s state, alone bool, do emit) {
	if s.run.at == lockWrite {
		m.writeLock(s, locked, lockLook, s.at(quiesce), alone, do)
		return
	}
	switch d := m.decide(question{step: lockStep, world: world{claim: s.claim}}); {
	case s.run.tried && s.claim.lock == locked:
		do("run: finds its lock", s.at(quiesce))
	case d.do == End:
		do("run: await-waiting is not let lock", m.fails(s.report(d.end)))
	default:
		do("run: await-waiting decides to lock", s.about(lockWrite))
	}
}

// unlock is after unquiesce.
func (m *model) unlock(s state, alone bool, do emit) {
	then := s.at(m.after(s, unlockLook))
	if s.run.at == unlockWrite {
		m.writeLock(s, unlocked, unlockLook, then, alone, do)
		return
	}
	if d := m.decide(question{step: unlockStep, world: world{claim: s.claim}}); d.do == Write {
		do("run: decides to unlock", s.about(unlockWrite))
		return
	}
	do("run: finds nothing to unlock", then)
}

func (m *model) disarm(s state, do emit) {
	if m.wasDone(s, do) {
		return
	}
	mark := s.claim.lock == locked && !m.noMark
	switch d := m.decide(question{step: disarmStep, world: world{claim: s.claim}}); {
	case d.do == Write:
		t := s.hold(disarmWrite, d.value, d.end)
		t.run.marks = mark
		do("run: disarm decides to write", t)
	case mark:
		t := s.about(disarmMark)
		t.run.outcome = d.end
		do("run: disarm decides to mark the lock", t)
	default:
		if d.end == isTainted {
			s = s.report(isTainted)
		}
		do("run: disarm finds nothing to give back", m.disarmed(s))
	}
}

// disarmed is after disarm.
func (m *model) disarmed(s state) state {
	if s.run.owe != silent {
		s = s.report(s.run.owe)
	}
	return s.at(m.after(s, disarmLook))
}

// doubts is fire-trigger giving up with a write of which nobody knows where it is.
func (m *model) doubts(s state) state { return s.gives(m) }

func (m *model) fire(s state, do emit) {
	v := s.run.tok
	if m.freshRetry && s.run.retried {
		v = m.freshly(v)
	}
	d := m.decide(question{step: fireStep, world: s.world(), tok: v})
	if m.noWaitGuard || v != s.run.tok { // as kubectl annotate would
		if d = (answer{do: Write, value: v}); s.run.read.trig == v {
			d = answer{do: End, end: isOK}
		}
	}
	t := s
	t.run.tok = v
	switch {
	case d.do == Write:
		do("run: fire-trigger decides to write", t.hold(fireWrite, d.value, isOK))
	case d.end == isOK:
		do("run: fire-trigger finds its trigger and gives up", t.signalled())
		do("run: fire-trigger finds its trigger", t.at(waitEcho))
	case t.run.doubt:
		do("run: fire-trigger refuses, in doubt", m.doubts(t))
	default:
		do("run: fire-trigger refuses", m.fails(t.report(d.end)))
	}
}

// signalled is fire-trigger stopped when its trigger is set.
func (s state) signalled() state {
	t := s.at(giveUp)
	t.run.seen = seen{fired: true}
	return t
}

func (m *model) wait(s state, do emit) {
	t := s
	if !m.patient {
		do("run: await-completed gives up", s.gives(m))
	}
	if m.untilCut {
		t = s.on(cutMore)
		t.run.read = s.claim
		do("run: reads the claim", t)
		return
	}
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	t.run.seen = d.seen
	switch {
	case m.byStatus && s.claim.status == completed:
		do("run: await-completed sees Completed, ends OK", s.report(isOK).at(unquiesce))
	case d.do == End && d.end == isOK:
		do("run: await-completed ends OK", s.report(isOK).at(unquiesce))
	case d.do == End:
		do("run: await-completed sees that it is lost", t.gives(m))
	case t != s:
		do("run: await-completed waits on", t)
	}
}

// cut is await-completed --until cut.
func (m *model) cut(s state, do emit) {
	w := s.world()
	w.cut = w.cut || m.uncutIsCut && w.copied
	d := m.decide(question{step: cutStep, world: w, tok: s.run.tok, seen: s.run.seen})
	t := s.on(waitEcho)
	t.run.seen = d.seen
	switch {
	case d.do == End && d.end == isOK && s.run.read.latest == s.run.tok:
		do("run: await-completed ends outcome.OK before it saw the cut", s.report(isOK).at(unquiesce))
	case d.do == End && d.end == isOK:
		t.run.at, t.run.copy = cutAgain, s.copy.uid
		do("run: reads that the copy is cut", t)
	case d.do == End:
		do("run: await-completed sees that it is lost", t.gives(m))
	default:
		do("run: await-completed waits on", t)
	}
}

// verify is await-completed --copy.
func (m *model) verify(s state, do emit) {
	d := m.decide(question{step: verifiedStep, world: s.world(), tok: s.run.tok, seen: s.run.seen, uid: s.run.copy})
	t := s.on(verifyLook)
	t.run.seen = d.seen
	switch {
	case d.do == End && d.end == isOK:
		t = s.report(isOK).at(over)
		t.run.copy = 0
		do("run: verifies, ends OK", t)
	case d.do == End && d.end == isUnverified:
		t = s.at(disarmLook)
		t.run.owe, t.run.copy = isUnverified, 0
		do("run: sees that it was another copy", t)
	case d.do == End:
		do("run: sees while it verifies that it is lost", t.gives(m))
	default:
		do("run: verifies on", t)
	}
	do("run: verifies no more", s.gives(m))
}

func (m *model) surrender(s state, do emit) {
	if m.wasDone(s, do) {
		return
	}
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	switch {
	case d.do == End && d.end == isOK && s.run.copy != 0:
		do("run: surrender finds the echo, of whatever copy", m.fails(s.report(isUnverified)))
		return
	case d.do == End && d.end == isOK:
		do("run: surrender finds the echo, ends OK", s.report(isOK).at(unquiesce))
		return
	}
	s.run.seen = d.seen
	back := m.decide(question{step: surrenderStep, world: world{claim: s.claim}, tok: s.run.tok})
	if m.noDisarm {
		back = answer{do: End}
	}
	if d.do == Look {
		d = back
	}
	mark := s.run.fence && s.claim.lock == locked
	switch {
	case back.do == Write:
		t := s.hold(giveUpWrite, back.value, d.end)
		t.run.marks = mark
		do("run: surrender decides to write", t)
	case mark:
		t := s.about(giveUpMark)
		t.run.outcome = d.end
		do("run: surrender decides to mark the lock", t)
	default:
		do("run: surrender finds nothing to give back", m.fails(s.report(d.end)))
	}
}
