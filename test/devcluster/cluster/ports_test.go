package cluster

import (
	"net"
	"os"
	"slices"
	"testing"
)

// Whether a port is free afterwards is not for this process to say: another one may have it by
// then. So the test looks at the ports while they are held, and that they are let go.
func TestFreePortsAreFreeAndDiffer(t *testing.T) {
	held, err := holdPorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, l := range held {
		defer l.Close()
		address := l.Addr().(*net.TCPAddr)
		if seen[address.Port] {
			t.Errorf("port %d twice", address.Port)
		}
		seen[address.Port] = true
		if address.Port < lowestPort || address.Port >= highestPort || !address.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			t.Errorf("%s is out of the range", address)
		}
	}
	if len(held) != 20 {
		t.Errorf("got %d ports, want 20", len(held))
	}

	before := listening(t, os.Getpid())
	if len(before) < 20 {
		t.Errorf("%d listeners are seen of 20", len(before))
	}
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	if after := listening(t, os.Getpid()); !slices.Equal(after, before) {
		t.Errorf("got listeners %q, before %q", after, before)
	}
	ports = slices.Compact(slices.Sorted(slices.Values(ports)))
	if len(ports) != 20 ||
		slices.ContainsFunc(ports, func(port int) bool { return seen[port] || port < lowestPort || port >= highestPort }) {
		t.Errorf("got %v, of which some are held", ports)
	}
}
