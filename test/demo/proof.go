package main

import "fmt"

// check is one question asked of a copy.
type check struct {
	what  string
	ok    bool
	found string // what was found, either way
}

// examination is all that was asked of a copy.
type examination []check

// torn are the checks that the copy did not stand.
func (e examination) torn() examination {
	var failed examination
	for _, c := range e {
		if !c.ok {
			failed = append(failed, c)
		}
	}
	return failed
}

// show prints what was found.
func (e examination) show(s *story) {
	for _, c := range e {
		label, as := "ok  ", green
		if !c.ok {
			label, as = "TORN", red
		}
		s.note(fmt.Sprintf("%s  %-34s %s", s.paint(as, label), c.what, c.found))
	}
}

// bounds are how many ledger entries a right copy has: those acknowledged before the
// moment of the copy at least, and none that was begun after it.
type bounds struct{ least, most int }

// entries are what is in a copy's ledger. A right one counts from one, without a gap.
type entries struct{ count, first, last int }

// check compares a ledger with what was acknowledged to its writer.
func (e entries) check(b bounds) check {
	c := check{what: "the ledger has what it must have"}
	switch {
	case e.count > 0 && (e.first != 1 || e.count != e.last):
		c.found = fmt.Sprintf(
			"entries reach from %d to %d, but there are only %d: later ones are there without earlier ones",
			e.first,
			e.last,
			e.count,
		)
	case e.last < b.least:
		c.found = fmt.Sprintf("ends with entry %d, though %d had been acknowledged", e.last, b.least)
	case e.last > b.most:
		c.found = fmt.Sprintf("ends with entry %d, though only %d had been begun", e.last, b.most)
	default:
		c.ok = true
		c.found = fmt.Sprintf(
			"entries 1 to %d; %d acknowledged before the copy, %d begun by its end",
			e.last,
			b.least,
			b.most,
		)
	}
	return c
}

// verdict is nil if the demonstration showed what it should.
func verdict(coordinated, alone examination) error {
	if torn := coordinated.torn(); len(torn) > 0 {
		return fmt.Errorf("the proof failed: the coordinated copy is not consistent: %s: %s", torn[0].what, torn[0].found)
	}
	if len(alone.torn()) == 0 {
		return fmt.Errorf("the proof failed: the copy without coordination is not torn, so nothing was shown")
	}
	return nil
}
