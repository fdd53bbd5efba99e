package outcome

import "strings"

// Left is what an ending leaves behind, for somebody to act on.
type Left uint8

// What may be left.
const (
	LeftFrozen   Left = 1 << iota // the application
	LeftArmed                     // a trigger
	LeftLocked                    // the claim
	LeftManual                    // a manual trigger of a start-sync
	LeftRestored                  // what a check-restore has restored
)

// String returns what is left, in words; "" for nothing.
func (l Left) String() string {
	var words []string
	for _, w := range []struct {
		left Left
		said string
	}{
		{LeftFrozen, "THE APPLICATION MAY STILL BE QUIESCED"},
		{LeftArmed, "A TRIGGER MAY STILL BE ARMED"},
		{LeftLocked, "THE CLAIM MAY STAY LOCKED"},
		{LeftManual, "A MANUAL TRIGGER MAY STAY ON THE REPLICATIONSOURCE, WHOSE SCHEDULE THEN RESTS"},
		{LeftRestored, "A RESTORED COPY MAY STAY"},
	} {
		if l&w.left != 0 {
			words = append(words, w.said)
		}
	}
	return strings.Join(words, ", ")
}
