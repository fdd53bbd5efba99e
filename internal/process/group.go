//go:build unix

package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupLives reports whether a process of the group can still do anything. One that has ended
// counts no more, also where nobody has asked yet how it ended: what a command has left running
// is process 1's child in the end, and that is this program in a container, or one that never
// asks. It is called only when the leader of the group has been waited for.
func groupLives(group int) bool {
	for { // ours, if they have become our children
		pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			break
		}
	}
	return syscall.Kill(-group, 0) == nil && !allZombies(group)
}

// allZombies reports whether /proc shows processes of the group, and all of them have ended.
func allZombies(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	found := false
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		state, of := parseStat(b)
		if of != group {
			continue
		}
		if found = true; state != "Z" {
			return false
		}
	}
	return found
}

// parseStat returns the state of a process, and its group, of proc_pid_stat(5).
func parseStat(b []byte) (state string, group int) {
	// The program's name is in brackets, and may have some itself.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 3 {
		return "", 0
	}
	group, _ = strconv.Atoi(fields[2])
	return fields[0], group
}
