package step

import (
	"strconv"
	"testing"
	"time"
)

// A time is told as people write it, and not with the noise of a sum of floats.
func TestSecondsOfAResult(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1761 * time.Millisecond: "1.761",
		4972 * time.Millisecond: "4.972",
		1499 * time.Microsecond: "0.001",
		3 * time.Second:         "3",
	} {
		if got := strconv.FormatFloat(Seconds(d), 'g', -1, 64); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
