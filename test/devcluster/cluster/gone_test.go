package cluster

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waitGone waits until no process of the group lives. One that is dead and not yet
// collected by init counts as gone.
func waitGone(t *testing.T, groups ...int) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for {
		collect(groups)
		left := living(t, groups)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still there: %v", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// collect collects what has died of these processes, if they are children of this one now: after
// adopt, those whose owner was killed are. The first process of a PID namespace ends only when
// all others of it are collected.
func collect(groups []int) {
	for _, pid := range groups {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

func living(t *testing.T, groups []int) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, group := range groups {
		wanted[fmt.Sprint(group)] = true
	}
	var left []string
	for _, entry := range entries {
		text, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // not a process, or not any more
		}
		// pid (name) state ppid pgrp ...; the name may contain anything.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 2 && fields[0] != "Z" && wanted[fields[2]] {
			left = append(left, strings.TrimSpace(string(text)))
		}
	}
	return left
}
