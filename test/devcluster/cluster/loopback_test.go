package cluster

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testLoopbackOnly looks in the kernel's own tables: every TCP or UDP socket that the
// components wait on must be on 127.0.0.1.
func testLoopbackOnly(t *testing.T, c *Cluster) {
	components, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]string{}
	for _, s := range components {
		for _, inode := range sockets(t, s.Pid) {
			ours[inode] = s.Name
		}
	}
	listening := 0
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for _, entry := range waiting(t, table) {
			name, ok := ours[entry.inode]
			if !ok {
				continue
			}
			listening++
			// Both in the kernel's byte order: IPv4, and IPv4 in IPv6.
			if entry.host != "0100007F" && entry.host != "0000000000000000FFFF00000100007F" {
				t.Errorf("%s waits on %s %s", name, table, entry.host)
			}
		}
	}
	// etcd twice, API server, controller manager, scheduler, VolSync.
	if listening != 6 {
		t.Errorf("got %d listeners, want 6", listening)
	}
}

func sockets(t *testing.T, pid int) []string {
	t.Helper()
	inodes, seen := socketsOf(pid)
	if !seen {
		t.Fatalf("process %d shows no files", pid)
	}
	return inodes
}

// socketsOf are the sockets of a process; one that has ended shows no files at all.
func socketsOf(pid int) (inodes []string, seen bool) {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is well-formed
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // closed meanwhile
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes, len(links) > 0
}

type socket struct{ host, inode string }

// waiting are the sockets of a table that have no other end.
func waiting(t *testing.T, table string) []socket {
	t.Helper()
	f, err := os.Open("/proc/net/" + table)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []socket
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		host, _, _ := strings.Cut(fields[1], ":")
		listens, unconnected := "0A", "07"
		if state := fields[3]; state == listens || strings.HasPrefix(table, "udp") && state == unconnected {
			all = append(all, socket{host, fields[9]})
		}
	}
	return all
}
