package handshake

// The run of the search: await-waiting, quiesce, fire-trigger, await-completed, unquiesce,
// and after any failure disarm, then unquiesce. Each command is a process that can be
// killed and started again. What a command decides, this package decides; how it applies
// the decision (in package step) is told again here: a look, then a write on the
// condition that the claim is still the one looked at, again after a conflict, and again
// after a lost reply.

type place uint8

const (
	awaitLook   place = iota // await-waiting is about to read the claim
	awaitMore                // and then the ReplicationSource and the copy
	awaitWrite               // its take-back of an earlier attempt's trigger
	quiesce                  //
	fireLook                 // fire-trigger is about to read the claim
	fireMore                 // and then the ReplicationSource and the copy
	fireWrite                //
	waitEcho                 // await-completed waits
	giveUp                   // and surrenders: reads the claim
	giveUpWrite              //
	disarmLook               // disarm is about to read the claim
	disarmWrite              //
	unquiesce                //
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
	doubt   bool  // fire-trigger lost the reply to its write, and has not looked since
	verdict end   // what the attempt has reported
	told    bool  // some report said tainted or unverified
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

func endOf(o Outcome) end {
	return map[Outcome]end{OK: isOK, Refused: isRefused, Withdrawn: isWithdrawn, Tainted: isTainted, Unverified: isUnverified}[o]
}

// at is the run at another place, with nothing in its memory.
func (s state) at(p place) state {
	s.run.at, s.run.mine, s.run.read, s.run.hold, s.run.outcome, s.run.doubt = p, false, facts{}, none, silent, false
	s.run.seen, s.run.unsure = seen{}, silent
	return s
}

// on is the run at another place of the same process, which keeps its memory.
func (s state) on(p place) state {
	t := s.at(p)
	t.run.seen = s.run.seen
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
	if r.doubt {
		do("run: fire-trigger gives up in doubt", s.on(giveUp))
	} else if r.at == awaitLook || r.at == awaitMore || r.at == fireLook || r.at == fireMore {
		do("run: gives up before it fired", s.at(m.failed()))
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
	case quiesce:
		t := s.at(fireLook)
		t.frozen, t.made = r.attempt, false
		do("run: QUIESCES", t)
	case waitEcho:
		m.wait(s, do)
	case giveUp:
		m.surrender(s, do)
	case disarmLook:
		if m.wasDone(s, m.after(disarmLook), do) {
			return
		}
		d := m.decide(question{step: disarmStep, world: world{claim: s.claim}})
		if d.do != Write {
			if d.end == isTainted {
				s = s.report(isTainted)
			}
			do("run: disarm finds nothing to give back", s.at(m.after(disarmLook)))
			return
		}
		do("run: disarm decides to write", s.hold(disarmWrite, d.value, d.end))
	case awaitWrite, fireWrite, giveUpWrite, disarmWrite:
		m.write(s, alone, do)
	case unquiesce:
		t := s.at(m.after(unquiesce))
		t.frozen = 0
		do("run: UNQUIESCES", t)
	case over:
		if r.verdict != isOK && r.attempt < m.attempts && !alone {
			do("engine: begins a new attempt of the run", s.again())
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

// again is a new attempt of the same run.
func (s state) again() state {
	t := s.at(awaitLook)
	t.run.attempt++
	t.run.verdict, t.run.retried = silent, false
	return t
}

func (m *model) await(s state, do emit) {
	switch d := m.decide(question{step: awaitStep, world: s.world()}); {
	case d.do == Write:
		do("run: await-waiting decides to take an earlier trigger back", s.hold(awaitWrite, d.value, d.end))
	case d.do == Look:
		do("run: await-waiting waits on", s.at(awaitLook))
	case d.end == isOK:
		t := s.at(quiesce)
		t.run.tok = d.value
		do("run: await-waiting ends ok", t)
	default:
		do("run: await-waiting refuses", s.report(d.end).at(m.failed()))
	}
}

func (m *model) fire(s state, do emit) {
	s.run.doubt, s.run.seen = false, seen{} // it has looked
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
	default:
		do("run: fire-trigger refuses", t.report(d.end).at(m.failed()))
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
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	t.run.seen = d.seen
	switch {
	case m.byStatus && s.claim.status == completed:
		do("run: await-completed sees Completed, ends OK", s.report(isOK).at(unquiesce))
	case d.do == End && d.end == isOK:
		do("run: await-completed ends OK", s.report(isOK).at(unquiesce))
	case d.do == End:
		do("run: await-completed sees that it is lost", t.on(giveUp))
	case t != s:
		do("run: await-completed waits on", t)
	}
	if !m.patient {
		do("run: await-completed gives up", s.on(giveUp))
	}
}

func (m *model) surrender(s state, do emit) {
	if m.wasDone(s, m.failed(), do) {
		return
	}
	d := m.decide(question{step: completedStep, world: world{claim: s.claim}, tok: s.run.tok, seen: s.run.seen})
	if d.do == End && d.end == isOK {
		do("run: surrender finds the echo, ends OK", s.report(isOK).at(unquiesce))
		return
	}
	back := m.decide(question{step: surrenderStep, world: world{claim: s.claim}, tok: s.run.tok})
	if m.noDisarm {
		back = answer{do: End}
	}
	if d.do == Look {
		d = back
	}
	if back.do != Write {
		do("run: surrender finds nothing to give back", s.report(d.end).at(m.failed()))
		return
	}
	do("run: surrender decides to write", s.hold(giveUpWrite, back.value, d.end))
}
