package application

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// dialer connects to an address in the network of the pods.
type dialer func(ctx context.Context, kind, address string) (net.Conn, error)

// dialer reaches a pod: in a network of ours by its address, in one that is not by a port that
// kubectl forwards.
func (s *Site) dialer(pod string) dialer {
	if harness.Ours() {
		return s.Cluster().Dial
	}
	f := &forward{site: s, pod: pod}
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		local, err := f.local(port)
		if err != nil {
			return nil, err
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", local)
	}
}

// forward is a kubectl port-forward, which is started again when it has ended.
type forward struct {
	site *Site
	pod  string

	mu      sync.Mutex
	address string
	ended   chan struct{}
}

// forwarding is what kubectl says when it listens.
var forwarding = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) `)

// local is the address here that leads to a port of the pod.
func (f *forward) local(port string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil {
		select {
		case <-f.ended:
		default:
			return f.address, nil
		}
	}
	var said strings.Builder
	cmd := exec.CommandContext(
		f.site.Ctx,
		"kubectl",
		"port-forward",
		"--address=127.0.0.1",
		"--namespace="+f.site.Namespace,
		"pod/"+f.pod,
		":"+port,
	)
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("forwarding a port: %w", err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	at := forwarding.FindStringSubmatch(first)
	if at == nil {
		_ = cmd.Process.Kill()
		err = errors.Join(err, cmd.Wait())
		return "", fmt.Errorf("forwarding a port: %w\n%s%s", err, first, said.String())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, lines) // a line for each connection
		_ = cmd.Wait()
	}()
	f.site.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	f.address, f.ended = at[1], ended
	return f.address, nil
}
