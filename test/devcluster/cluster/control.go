package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
)

// A cluster is reached by other processes through a socket in its folder. Each
// connection carries one request and one reply, both JSON; reading from the connection
// ends when the cluster does.

type request struct {
	Action string `json:"action"` // of Component, or list, or shutdown
	Name   string `json:"name,omitempty"`
}

type reply struct {
	Error      string   `json:"error,omitempty"`
	Components []Status `json:"components,omitempty"`
}

func controlSocket(dir string) string { return filepath.Join(dir, "control.sock") }

type control struct {
	listener net.Listener
	cluster  *Cluster
	ctx      context.Context
	cancel   context.CancelFunc
}

func serveControl(c *Cluster) (*control, error) {
	listener, err := net.Listen("unix", controlSocket(c.dir))
	if err != nil {
		return nil, fmt.Errorf("serving the control socket: %w", err)
	}
	s := &control{listener: listener, cluster: c}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.accept()
	return s, nil
}

func (s *control) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		go s.answer(conn)
	}
}

func (s *control) answer(conn net.Conn) {
	defer conn.Close()
	var q request
	if err := json.NewDecoder(conn).Decode(&q); err != nil {
		return // the other side has gone
	}
	if q.Action == "shutdown" {
		// The connection stays open until all is gone.
		err := s.cluster.Stop()
		<-s.cluster.own.over
		s.send(conn, reply{}, err)
		return
	}
	var r reply
	var err error
	if q.Action == "list" {
		r.Components, err = s.cluster.hand.list(s.ctx)
	} else {
		err = s.cluster.hand.act(s.ctx, q.Name, q.Action)
	}
	s.send(conn, r, err)
}

func (s *control) send(conn net.Conn, r reply, err error) {
	if err != nil {
		r.Error = err.Error()
	}
	// Whoever does not wait for the reply does not get it.
	_ = json.NewEncoder(conn).Encode(r)
}

func (s *control) close() {
	s.cancel()
	s.listener.Close()
}

// remote is the other end of the control socket.
type remote struct{ dir string }

func (r remote) act(ctx context.Context, name, action string) error {
	_, err := r.ask(ctx, request{Action: action, Name: name})
	return err
}

func (r remote) list(ctx context.Context) ([]Status, error) {
	answer, err := r.ask(ctx, request{Action: "list"})
	return answer.Components, err
}

func (r remote) ask(ctx context.Context, q request) (reply, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", controlSocket(r.dir))
	if err != nil {
		return reply{}, fmt.Errorf("reaching the cluster in %s: %w", r.dir, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(q); err != nil {
		return reply{}, fmt.Errorf("asking the cluster: %w", err)
	}
	var a reply
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return reply{}, fmt.Errorf("asking the cluster: %w", errors.Join(err, ctx.Err()))
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}
