package harness

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stream is one watch that stands.
type stream struct {
	of     Request
	x      *exchange
	mu     sync.Mutex // held while an event is written
	cut    chan struct{}
	broken bool
	begun  time.Time
}

// stream passes the events of a watch on, one by one.
func (p *Proxy) stream(x *exchange) {
	st := &stream{of: x.Request, x: x, cut: make(chan struct{}), begun: time.Now()}
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
	}
	p.mu.Lock()
	p.streams[st] = true
	close(p.opened)
	p.opened = make(chan struct{})
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.streams, st)
		p.mu.Unlock()
		st.end(nil, false) // nobody may write any more: the response goes with this handler
		if st.broken {
			panic(http.ErrAbortHandler)
		}
	}()
	defer st.endLater()()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		events := bufio.NewReader(x.got.Body)
		for {
			event, err := events.ReadBytes('\n')
			if err != nil || !st.late() || !st.write(event) {
				return
			}
		}
	}()
	select {
	case <-st.cut:
		x.got.Body.Close()
		<-ended
	case <-ended:
	}
}

// write passes an event on, unless the stream is over.
func (st *stream) write(event []byte) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	select {
	case <-st.cut:
		return false
	default:
	}
	_, err := st.x.w.Write(event)
	if f, ok := st.x.w.(http.Flusher); ok {
		f.Flush()
	}
	return err == nil
}

// end ends the stream: after one more event, if there is one, or broken in the middle.
func (st *stream) end(event []byte, broken bool) {
	if event != nil {
		st.write(event)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	select {
	case <-st.cut:
	default:
		st.broken = broken
		close(st.cut)
	}
}

// AwaitStream waits until the program has the watch.
func (p *Proxy) AwaitStream(r Request) {
	p.site.Helper()
	for {
		p.mu.Lock()
		opened := p.opened
		p.mu.Unlock()
		if len(p.standing(r)) > 0 {
			return
		}
		select {
		case <-opened:
		case <-p.site.Ctx.Done():
			p.site.Fatalf("waiting for the program to %s %s: %v", r.Verb, r.Resource, p.site.Ctx.Err())
		}
	}
}

func (p *Proxy) standing(r Request) []*stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []*stream
	for st := range p.streams {
		if st.of == r {
			found = append(found, st)
		}
	}
	return found
}

// EndStream ends the watch as servers do now and then.
func (p *Proxy) EndStream(r Request) { p.site.Helper(); p.endStreams(r, nil, false) }

// BreakStream breaks the connection of the watch.
func (p *Proxy) BreakStream(r Request) { p.site.Helper(); p.endStreams(r, nil, true) }

// FailStream ends the watch with an error event.
func (p *Proxy) FailStream(r Request, status metav1.Status) {
	p.site.Helper()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	event, err := json.Marshal(map[string]any{"type": "ERROR", "object": status})
	p.site.Must(err)
	p.endStreams(r, append(event, '\n'), false)
}

func (p *Proxy) endStreams(r Request, event []byte, broken bool) {
	p.site.Helper()
	p.AwaitStream(r)
	for _, st := range p.standing(r) {
		st.end(event, broken)
	}
}

// Expired is what a server says of a version that it does not remember.
func Expired() metav1.Status {
	return apierrors.NewResourceExpired("too old resource version").ErrStatus
}

// TooMany is what a server says that has too much to do.
func TooMany() metav1.Status {
	return apierrors.NewTooManyRequests("the server is busy", 1).ErrStatus
}

// Unavailable is what stands before a server says when there is none.
func Unavailable() metav1.Status {
	return apierrors.NewServiceUnavailable("no API server").ErrStatus
}

// Unauthorized and Forbidden are what a server says for good.
func Unauthorized() metav1.Status {
	return apierrors.NewUnauthorized("who are you").ErrStatus
}

func Forbidden() metav1.Status {
	return apierrors.NewForbidden(claims.GroupResource(), Claim, errors.New("not you")).ErrStatus
}
