package cluster

import (
	"net"
	"testing"
)

func TestFreePortsAreFreeAndDiffer(t *testing.T) {
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] {
			t.Errorf("port %d twice", port)
		}
		seen[port] = true
		if port < lowestPort || port >= highestPort {
			t.Errorf("port %d is out of the range", port)
		}
		l, err := net.Listen("tcp4", local(port))
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		l.Close()
	}
}
