package cluster

import (
	"io"
	"net"
	"testing"
)

// What is sent through a forwarded port arrives, and so does the end of it.
func TestForward(t *testing.T) {
	there, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	go func() {
		conn, err := there.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all, _ := io.ReadAll(conn) // until the other side has sent everything
		conn.Write(append([]byte("got "), all...))
	}()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{}
	here, err := n.forward(ports[0], there.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	conn, err := n.dial(t.Context(), "tcp4", local(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("this")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "got this" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	there.Close()
	conn, err = n.dial(t.Context(), "tcp4", local(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("with nobody there: got %q, %v", got, err)
	}
}
