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
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try == 1000 {
			return nil, fmt.Errorf("looking for %d free ports from %d to %d: found %d", n, lowestPort, highestPort, len(ports))
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp4", local(port))
		if err != nil {
			continue
		}
		held, ports = append(held, l), append(ports, port)
	}
	return ports, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
