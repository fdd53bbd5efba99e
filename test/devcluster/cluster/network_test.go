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
	n := &network{}
	through := func(address string) net.Conn {
		here, err := n.forward(0, address) // a port that is free now
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { here.Close() })
		conn, err := n.dial(t.Context(), "tcp4", here.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	conn := through(there.Addr().String())
	if _, err := conn.Write([]byte("this")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); string(got) != "got this" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := io.ReadAll(through(local(1))); len(got) > 0 || err != nil {
		t.Errorf("with nobody there: got %q, %v", got, err)
	}
}
