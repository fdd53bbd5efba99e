package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Memory follows how much memory a process has had at most, until it has ended; what it returns says
// how much. What wait4 tells of a child is not less than what its parent had when it was started.
func Memory(pid int, ended <-chan struct{}) func() (bytes int64) {
	result := make(chan int64, 1)
	go func() {
		const often = 2 * time.Millisecond
		tick := time.NewTicker(often)
		defer tick.Stop()
		var most int64
		for {
			most = max(most, highWater(pid))
			select {
			case <-ended:
				result <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { return <-result }
}

// highWater is the most memory that a process has had until now; 0 if it has ended.
func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kilobytes, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
