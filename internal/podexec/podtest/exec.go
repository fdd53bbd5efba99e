//go:build unix

package podtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// session is a command under way.
type session struct {
	streams streams
	cutOnce sync.Once
	wasCut  chan struct{}
}

// streams are the server's ends; stdin is nil where the client gives none.
type streams struct {
	stdin         io.Reader
	stdout, fault io.WriteCloser
	stderr        io.WriteCloser
	close         func()
}

func (s *session) cut() { s.cutOnce.Do(func() { close(s.wasCut) }) }

func (s *Server) exec(w http.ResponseWriter, r *http.Request, name string) {
	query := r.URL.Query()
	args := query["command"]
	if _, found := s.pod(name); !found {
		s.status(w, http.StatusNotFound)
		return
	}
	var onlySPDY, noShell bool
	s.with(func() { onlySPDY, noShell = s.onlySPDY, s.noShell })
	var st streams
	switch {
	case !wsstream.IsWebSocketRequest(r):
		st = s.spdy(w, r, query.Get("stdin") == "true")
	case onlySPDY:
		http.Error(w, "no such protocol", http.StatusBadRequest)
		return
	default:
		st = s.webSocket(w, r, query.Get("stdin") == "true")
	}
	if st.close == nil {
		return
	}
	defer st.close()
	session := &session{streams: st, wasCut: make(chan struct{})}
	s.with(func() { s.args, s.sessions = append(s.args, args), append(s.sessions, session) })
	if noShell && args[0] == "/bin/sh" {
		st.say(failure(fmt.Sprintf("Internal error occurred: OCI runtime exec failed: exec failed: unable to start "+
			"container process: exec: %q: stat %s: no such file or directory: unknown", args[0], args[0])))
		return
	}
	s.run(args, session)
}

// run runs a command as the node does: it goes on when the connection ends, without its stdin.
func (s *Server) run(args []string, session *session) {
	st := session.streams
	cmd := exec.CommandContext(s.alive, args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = os.Environ(), st.stdout, st.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdin io.WriteCloser
	if st.stdin != nil {
		stdin, _ = cmd.StdinPipe()
	}
	if err := cmd.Start(); err != nil {
		st.say(failure("Internal error occurred: OCI runtime exec failed: exec failed: " + err.Error()))
		return
	}
	if stdin != nil {
		go func() {
			_, _ = io.Copy(stdin, st.stdin)
			_ = stdin.Close()
		}()
	}
	ended := make(chan metav1.Status, 1)
	go func() { ended <- statusOf(cmd.Wait()) }()
	select {
	case status := <-ended:
		st.say(status)
	case <-session.wasCut:
		if stdin != nil {
			_ = stdin.Close()
		}
		st.say(metav1.Status{Status: metav1.StatusSuccess})
	}
}

func (st streams) say(status metav1.Status) {
	text, _ := json.Marshal(status)
	_, _ = st.fault.Write(text)
}

func failure(message string) metav1.Status {
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Code: 500, Message: message,
	}
}

func statusOf(err error) metav1.Status {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return metav1.Status{Status: metav1.StatusSuccess}
	case !errors.As(err, &exit):
		return failure(err.Error())
	}
	code := exit.ExitCode()
	if status, is := exit.Sys().(syscall.WaitStatus); is && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: "NonZeroExitCode",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: strconv.Itoa(code)}}},
	}
}

func (s *Server) webSocket(w http.ResponseWriter, r *http.Request, stdin bool) streams {
	channels := []wsstream.ChannelType{
		wsstream.IgnoreChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.ReadChannel,
	}
	if stdin {
		channels[0] = wsstream.ReadChannel
	}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{
		"v5.channel.k8s.io": {Binary: true, Channels: channels},
	})
	_, all, err := conn.Open(w, r)
	if err != nil {
		return streams{}
	}
	_, _ = all[1].Write(nil) // as the real one does
	st := streams{stdout: all[1], stderr: all[2], fault: all[3], close: func() { _ = conn.Close() }}
	if stdin {
		st.stdin = all[0]
	}
	return st
}

func (s *Server) spdy(w http.ResponseWriter, r *http.Request, stdin bool) streams {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return streams{}
	}
	want := 3
	if stdin {
		want++
	}
	opened := make(chan httpstream.Stream, want)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, reply <-chan struct{}) error {
		go func() { <-reply; opened <- stream }()
		return nil
	})
	if conn == nil {
		return streams{}
	}
	st := streams{close: func() { _ = conn.Close() }}
	for range want {
		select {
		case stream := <-opened:
			switch stream.Headers().Get("streamType") {
			case "stdin":
				st.stdin = stream
			case "stdout":
				st.stdout = stream
			case "stderr":
				st.stderr = stream
			case "error":
				st.fault = stream
			}
		case <-conn.CloseChan():
			return streams{}
		}
	}
	return st
}
