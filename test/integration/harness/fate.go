package harness

import (
	"encoding/json"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fate is what becomes of one request. The zero Fate passes it on.
type Fate struct {
	Before, After         time.Duration  // until the server is asked; until its reply is passed on
	Status                *metav1.Status // the answer, and the server is not asked
	DropBefore, DropAfter bool           // the connection is cut: before the server is asked, or in place of its reply
	Watch                 WatchFate
}

// WatchFate is what becomes of a watch that the server has granted.
type WatchFate struct {
	Mute   time.Duration  // nothing comes until then
	Late   time.Duration  // each event comes so much later
	End    time.Duration  // it ends then; 0: when the server ends it
	Break  bool           // with End: in the middle of the connection
	Status *metav1.Status // with End: its last event is this error
}

// Decide asks f what becomes of each request that no other fault meets.
func (p *Proxy) Decide(f func(Request) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = f
}

func (p *Proxy) fateOf(r Request) Fate {
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide == nil {
		return Fate{}
	}
	return decide(r)
}

// meet does to the exchange what its fate says.
func (x *exchange) meet(f Fate) {
	x.pause(f.Before)
	switch {
	case f.Status != nil:
		x.answer(*f.Status)
		return
	case f.DropBefore:
		panic(http.ErrAbortHandler)
	}
	x.forward()
	if f.DropAfter {
		x.got.Body.Close()
		panic(http.ErrAbortHandler)
	}
	x.pause(f.After)
	x.watch = f.Watch
	x.reply()
}

// pause waits. A write goes on to the server although its sender is gone: once sent, it is not
// taken back.
func (x *exchange) pause(d time.Duration) {
	if d == 0 {
		return
	}
	gone := x.r.Context().Done()
	if x.Verb == "patch" {
		gone = nil
	}
	select {
	case <-time.After(d):
	case <-gone:
		if x.got != nil {
			x.got.Body.Close()
		}
		panic(http.ErrAbortHandler)
	case <-x.proxy.site.Ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

// late waits as long as the next event is late. It reports whether the stream goes on.
func (st *stream) late() bool {
	f := st.x.watch
	d := max(f.Late, time.Until(st.begun.Add(f.Mute)))
	if d <= 0 {
		return true
	}
	select {
	case <-st.cut:
		return false
	case <-time.After(d):
		return true
	}
}

// endLater ends the stream when its fate says so. The caller calls what it returns.
func (st *stream) endLater() (stop func()) {
	f := st.x.watch
	if f.End == 0 {
		return func() {}
	}
	timer := time.AfterFunc(f.End, func() {
		if f.Status == nil {
			st.end(nil, f.Break)
			return
		}
		status := *f.Status
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		event, err := json.Marshal(map[string]any{"type": "ERROR", "object": status})
		if err != nil {
			panic(err)
		}
		st.end(append(event, '\n'), false)
	})
	return func() { timer.Stop() }
}
