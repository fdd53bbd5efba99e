package handshake

import "github.com/copytrigger/copytrigger/internal/outcome"

// The run of the search: await-waiting, quiesce, fire-trigger, await-completed, unquiesce,
// unlock, and after any failure disarm, then unquiesce and unlock. Each command is a process
// that can be killed and started again. What a command decides, and what it writes next, the
// code of this package decides that the commands run: see loop_test.go.
//
// With model.untilCut it unquiesces at the cut, and verifies after that. With model.process
// it is one process, `copytrigger run`, and what cleans up after its death is the cleanup, or
// the same run begun again. With model.goesOn its steps are containers of one pod, and each
// begins when the one before has ended, however that was.

type place uint8

const (
	awaitLook   place = iota // await-waiting is about to read the claim
	awaitMore                // and then the ReplicationSource and the copy
	takingBack               // it takes an earlier attempt's trigger back
	locking                  // it locks the claim
	fencing                  // it gives up, and does not know where its write of the lock is
	fenced                   // and then unlocks
	quiescing                //
	fireLook                 // fire-trigger is about to read the claim
	fireMore                 // and then the ReplicationSource and the copy
	waitEcho                 // await-completed waits
	proveMore                // it has read the record, and is about to read the source and the copy
	cutMore                  // it has read the claim, and is about to read the copy
	cutAgain                 // after either, the claim again, for its lock
	givingUp                 // and gives the trigger back
	anewLook                 // it looks whether VolSync waits again
	anewMore                 // and then at the copy
	disowning                // as it does for a copy that is not the right one
	disarming                // disarm
	unquiescing              //
	unlocking                // unlock
	verifyLook               // await-completed --copy is about to read the claim
	verifyMore               // and then the copy
	beforeStart              // run looks for an earlier attempt of its own
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
	loop    loop  // of looks and writes that is under way
	seen    seen  // by await-completed
	owe     end   // what will be reported after disarm, whatever that finds
	copy    uint8 // number of the copy that was cut in the freeze, if it is still to be verified
	verdict end   // what the attempt has reported
	told    bool  // some report said tainted or unverified
	blind   bool  // it was killed while it verified, the application running
	final   bool  // it is the cleanup of an engine that goes on after a failure
	failed  bool  // unquiesce failed, with nothing quiesced
	retried bool  // the step is a second try (for a control)
}

// seen is a [Seen].
type seen struct {
	fired, taken bool
	since        uint8
	proof        bool // of the copy that a record needs, beside the claim
}

// at is the run at another place, with nothing in its memory.
func (s state) at(p place) state {
	r := s.run
	s.run = runner{
		at: p, attempt: r.attempt, tok: r.tok, copy: r.copy, verdict: r.verdict,
		told: r.told, retried: r.retried, blind: r.blind, final: r.final, failed: r.failed,
	}
	s.run.final = s.run.final || p == disarming
	if p == verifyLook {
		s.run.seen = seen{fired: true, taken: true}
	}
	return s
}

// on is the run at another place of the same process, which keeps its memory.
func (s state) on(p place) state {
	t := s.at(p)
	t.run.seen, t.run.owe, t.run.loop = s.run.seen, s.run.owe, s.run.loop
	return t
}

func (s state) report(e end) state {
	s.run.verdict = e
	s.run.told = s.run.told || e == isTainted || e == isUnverified
	return s
}

// coordinator is one step of the run. Alone, it leaves the faults out.
func (m *model) coordinator(s state, alone bool, do emit) {
	if s.run.loop.writes() {
		m.write(s, alone, do)
	} else {
		m.look(s, do)
	}
	if s.run.at == over && s.run.verdict != isOK && s.run.attempt < m.attempts && !alone {
		do("engine: begins a new attempt of the run", m.again(s))
	}
	if !alone {
		m.engine(s, do)
	}
}

// look is a step of the run that writes nothing.
func (m *model) look(s state, do emit) {
	m.impatience(s, do)
	switch s.run.at {
	case awaitLook, fireLook:
		t := s.on(s.run.at + 1)
		t.run.mine, t.run.read = true, s.claim
		do("run: reads the claim", t)
	case awaitMore:
		m.await(s, do)
	case fireMore, takingBack, locking, fencing, fenced, givingUp, disowning, disarming, unlocking:
		m.decideToWrite(s, do)
	case quiescing:
		t := m.begin(s.at(fireLook), Firing{Trigger: m.trigger(s.run.tok)})
		t.frozen, t.made = s.run.attempt, false
		do("run: QUIESCES", t)
	case waitEcho:
		m.wait(s, do)
	case proveMore:
		m.prove(s, do)
	case cutMore:
		m.cut(s, do)
	case cutAgain:
		m.lookAtLockAgain(s, do)
	case unquiescing:
		m.unquiesce(s, do)
	case anewLook, anewMore:
		m.anew(s, do)
	case verifyLook:
		t := s.on(verifyMore)
		t.run.read = s.claim
		do("run: reads the claim", t)
	case verifyMore:
		m.verify(s, do)
	case beforeStart, beforeEnd:
		m.before(s, do)
	}
}

// impatience is a step that gives up before it has fired, for time or a signal.
func (m *model) impatience(s state, do emit) {
	switch s.run.at {
	case awaitLook, awaitMore:
		do("run: gives up before it fired", m.fails(s))
	case locking:
		if m.reducer(s.run.loop).(Locking).Doubt() {
			w := Disarming{Run: runID, Lock: LockForCleanup, Process: Fence}
			do("run: gives up in doubt about its lock", m.begin(s.at(fencing), w))
			return
		}
		do("run: gives up before it fired", m.fails(s))
	case fireLook, fireMore:
		if f := m.reducer(s.run.loop).(Firing); f.Doubt() {
			do("run: fire-trigger gives up in doubt", m.firingGivesUp(s, f))
			return
		}
		do("run: gives up before it fired", m.fails(s))
	}
}

func (m *model) unquiesce(s state, do emit) {
	t := m.after(s, unquiescing)
	t.frozen = 0
	do("run: UNQUIESCES", t)
	if m.unquiesceFails && s.frozen == 0 {
		t := s
		t.run.failed = true
		do("run: unquiesce fails, the application is away", m.after(t, unquiescing))
	}
}

// again is a new attempt of the same run.
func (m *model) again(s state) state {
	t := s.at(awaitLook)
	if m.process {
		t = s.at(beforeStart)
	}
	t.run.attempt++
	t.run.verdict, t.run.retried, t.run.copy, t.run.final, t.run.failed = silent, false, 0, false, false
	return t
}

// before is what run does about an earlier attempt of its own, at its start and where it
// ends before it quiesced: it only cleans up.
func (m *model) before(s state, do emit) {
	switch {
	case m.decide(question{step: beforeStep, world: world{claim: s.claim}}).end == isTainted:
		t := m.disarm(s)
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
		do("run: await-waiting is about to take an earlier trigger back", m.begin(s.at(takingBack), Disarming{Run: runID}))
	case d.do == Look:
		do("run: await-waiting waits on", s.at(awaitLook))
	case d.end == isOK:
		t := m.begin(s.at(locking), Locking{
			Run: runID, Process: s.process(), Wait: Await(m.seen(s.world()), runID).Wait,
		})
		t.run.tok = d.value
		do("run: await-waiting is about to lock", t)
	default:
		do("run: await-waiting refuses", m.fails(s.report(d.end)))
	}
}

// disarm is the beginning of disarm.
func (m *model) disarm(s state) state {
	w := Disarming{Run: runID, Lock: LockForCleanup, Process: StepwiseCleanup("")}
	if m.noLost {
		w.Lock = LockStays
	}
	return m.begin(s.at(disarming), w)
}

// disarmed is after disarm.
func (m *model) disarmed(s state) state {
	if s.run.owe != silent {
		s = s.report(s.run.owe)
	}
	return m.after(s, disarming)
}

// firingGivesUp is fire-trigger giving up when its trigger is set, or may be.
func (m *model) firingGivesUp(s state, f Firing) state {
	return m.givesBack(s, f.GiveUp())
}

// awaitGivesUp is await-completed giving up in the freeze.
func (m *model) awaitGivesUp(s state) state {
	return m.givesBack(s, Disarming{Run: runID, Trigger: m.trigger(s.run.tok), Seen: m.wasSeen(s), Lock: LockLost})
}

// verifyGivesUp is await-completed --copy giving up.
func (m *model) verifyGivesUp(s state) state {
	w := Disarming{Run: runID, Trigger: m.trigger(s.run.tok), Seen: m.wasSeen(s), AfterFreeze: true}
	return m.givesBack(s, w)
}

func (m *model) givesBack(s state, w Disarming) state {
	if m.noDisarm {
		return m.fails(s.report(silent))
	}
	if m.noLost {
		w.Lock = LockStays
	}
	return m.begin(s.at(givingUp), w)
}

func (m *model) wait(s state, do emit) {
	if !m.patient {
		do("run: await-completed gives up", m.awaitGivesUp(s))
	}
	if m.untilCut {
		t := s.on(cutMore)
		t.run.read = s.claim
		do("run: reads the claim", t)
		return
	}
	if m.beside && !s.run.seen.proof && m.proofBeside(s) {
		t := s
		t.run.seen.proof = true
		do("run: sees the copy beside the claim", t)
	}
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	t := s
	t.run.seen = d.seen
	switch {
	case m.byStatus && s.claim.status == completed:
		do("run: await-completed sees Completed, ends OK", s.report(isOK).at(unquiescing))
	case d.do == End && d.end == isOK && (m.claimOnly || m.noProof ||
		s.run.seen.proof && m.seen(world{claim: s.claim}).Claim.isOfRecord(m.trigger(s.run.tok))):
		do("run: await-completed ends OK", s.report(isOK).at(unquiescing))
	case d.do == End && d.end == isOK:
		do("run: await-completed sees the record", m.record(t))
	case d.do == End:
		do("run: await-completed sees that it is lost", m.awaitGivesUp(t))
	case t != s:
		do("run: await-completed waits on", t)
	}
}

// proofBeside reports whether what is beside the claim would prove its record.
func (m *model) proofBeside(s state) bool {
	w := m.seen(s.world())
	w.Claim.Trigger = m.values[s.run.tok]
	return w.unproved(m.trigger(s.run.tok), Seen{}) == ""
}

// record is await-completed that has read the record.
func (m *model) record(s state) state {
	t := s.on(proveMore)
	t.run.read = s.claim
	return t
}

// anew is a step that has given its trigger back while VolSync was copying.
func (m *model) anew(s state, do emit) {
	do("run: gives up waiting for VolSync to wait again", m.fails(s.report(isTainted)))
	if s.run.at == anewLook {
		t := s.on(anewMore)
		t.run.read = s.claim
		do("run: reads the claim", t)
		return
	}
	d := WaitsAnew(m.seen(s.world()))
	if d.Do == End {
		do("run: sees whether VolSync waits again", m.fails(s.report(endOf(d.Outcome))))
		return
	}
	do("run: looks again whether VolSync waits again", s.on(anewLook))
}

// prove is await-completed that looks at the copy of a record.
func (m *model) prove(s state, do emit) {
	do("run: await-completed has no proof, ends UNVERIFIED", m.fails(s.report(isUnverified)))
	d := m.decide(question{step: recordedStep, world: s.world(), tok: s.run.tok, seen: s.run.seen})
	switch {
	case d.do == Look:
		do("run: await-completed looks again at the record", m.record(s))
	case d.end == isOK:
		do("run: reads that the copy proves the record", s.on(cutAgain))
	default:
		do("run: await-completed sees that it is lost", m.fails(s.report(d.end)))
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
		t.run.at = cutAgain
		do("run: reads that the copy proves the record", t)
	case d.do == End && d.end == isOK:
		t.run.at, t.run.copy = cutAgain, s.copy.uid
		do("run: reads that the copy is cut", t)
	case d.do == End:
		do("run: await-completed sees that it is lost", m.awaitGivesUp(t))
	default:
		do("run: await-completed waits on", t)
	}
}

// lookAtLockAgain looks at the lock after a cut was seen: only a lock that is there then says that
// the application was quiesced until the cut. A run that has seen the record, too, is done.
func (m *model) lookAtLockAgain(s state, do emit) {
	lost := s
	lost.run.copy = 0
	if !m.patient {
		do("run: await-completed gives up", m.awaitGivesUp(lost))
	}
	locked := m.lock(s.claim.lock).State == Held || m.noSecondLook || m.noLockGuard
	switch {
	case locked && s.run.copy == 0 && !m.stillRecorded(s):
		do("run: sees that the copy may be another one", m.record(s))
		return
	case locked && s.run.copy == 0:
		do("run: await-completed ends OK", s.report(isOK).at(unquiescing))
		return
	case locked:
		do("run: await-completed sees the cut", s.at(unquiescing))
		return
	}
	do("run: await-completed sees that its lock is gone", m.awaitGivesUp(lost))
}

// stillRecorded reports whether the claim, looked at after the copy, has the record of it.
func (m *model) stillRecorded(s state) bool {
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	return d.do == End && d.end == isOK && m.seen(world{claim: s.claim}).Claim.isOfRecord(m.trigger(s.run.tok))
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
		do("run: sees that it was another copy", m.begin(s.at(disowning), Disarming{Run: runID}))
	case d.do == End:
		do("run: sees while it verifies that it is lost", m.verifyGivesUp(t))
	default:
		do("run: verifies on", t)
	}
	do("run: verifies no more", m.verifyGivesUp(s))
}

// end is an outcome in a state.
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
