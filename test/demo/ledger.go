package main

import "sync"

// ledger is the memory of whoever writes the ledger: which entry was begun last, and up
// to which the application said that it has them. An entry that is not acknowledged is
// tried again, so the two differ by one at most.
type ledger struct {
	mu           sync.Mutex
	begun, acked int
	refused      int // attempts that failed
}

// next is the entry to write.
func (l *ledger) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = l.acked + 1
	return l.begun
}

func (l *ledger) done(entry int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = entry
}

func (l *ledger) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

// now is what a copy of this moment has to have.
func (l *ledger) now() bounds {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bounds{least: l.acked, most: l.begun}
}

func (l *ledger) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}
