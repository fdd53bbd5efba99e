package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range the kernel gives to outgoing connections
// (32768 upwards): there a port that was free for a component at its first start would
// not surely be free when it is started again.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// freePorts finds n ports on 127.0.0.1 that nobody listens on. They are all held until
// all are found, so that they differ.
func freePorts(n int) ([]int, error) {
	held, err := holdPorts(n)
	var ports []int
	for _, l := range held {
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		l.Close()
	}
	return ports, err
}

// holdPorts listens on n free ports on 127.0.0.1, or on fewer and gives an error.
func holdPorts(n int) ([]net.Listener, error) {
	var held []net.Listener
	for try := 0; len(held) < n; try++ {
		if try == 1000 {
			return held, fmt.Errorf("looking for %d free ports from %d to %d: found %d", n, lowestPort, highestPort, len(held))
		}
		l, err := net.Listen("tcp4", local(lowestPort+rand.IntN(highestPort-lowestPort)))
		if err == nil {
			held = append(held, l)
		}
	}
	return held, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
