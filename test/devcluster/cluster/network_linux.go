package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// network is where a cluster's addresses are: this machine's own, or a network namespace
// that only the cluster is in. The zero value is the machine's own.
type network struct {
	work chan func() // done by the thread that is in the namespace; nil for none
}

// enterNetwork goes into the network namespace of a process. A socket belongs to the
// namespace of the thread that made it, so one thread makes them all.
func enterNetwork(pid int) (*network, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("entering the cluster's network: %w", err)
	}
	n := &network{work: make(chan func())}
	entered := make(chan error)
	onOwnThread(func() {
		entered <- unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
		file.Close()
		for f := range n.work {
			f()
		}
	})
	if err := <-entered; err != nil {
		close(n.work)
		return nil, fmt.Errorf("entering the cluster's network: %w", err)
	}
	return n, nil
}

// dial connects to an address there.
func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	// All connections wait for the one thread; none may keep it for long.
	d := net.Dialer{Timeout: 2 * time.Second}
	if n.work == nil || kind == "unix" {
		return d.DialContext(ctx, kind, address)
	}
	var conn net.Conn
	var err error
	done := make(chan struct{})
	select {
	case n.work <- func() { conn, err = d.DialContext(ctx, kind, address); close(done) }:
		<-done
		return conn, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forward lets the machine's 127.0.0.1:port reach an address there, until the listener
// is closed.
func (n *network) forward(port int, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp4", local(port))
	if err != nil {
		return nil, fmt.Errorf("forwarding to %s: %w", address, err)
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go n.pass(from, address)
		}
	}()
	return listener, nil
}

func (n *network) pass(from net.Conn, address string) {
	defer from.Close()
	to, err := n.dial(context.Background(), "tcp4", address)
	if err != nil {
		return // the other side sees its connection closed
	}
	defer to.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, err := io.Copy(way[1], way[0])
			if c, ok := way[1].(*net.TCPConn); ok && err == nil {
				_ = c.CloseWrite()
				return
			}
			from.Close()
			to.Close()
		})
	}
	both.Wait()
}

// close lets go of the thread.
func (n *network) close() {
	if n.work != nil {
		close(n.work)
	}
}

// isolate puts the calling thread's future children into namespaces of their own: what
// they mount, listen on and leave running ends with the first of them. Only for a thread
// that does nothing else.
func isolate() error {
	const own = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID
	if err := unix.Unshare(own); err != nil {
		return fmt.Errorf("making namespaces for a node: %w", err)
	}
	// Or every mount would be seen outside, and outlive the cluster.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	return nil
}
