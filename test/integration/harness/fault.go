package harness

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fault is what happens to the next requests of a kind.
type fault struct {
	of    Request
	times int // how often still
	act   func(*exchange)
}

func (p *Proxy) fault(r Request) *fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.faults {
		if f.of != r {
			continue
		}
		if f.times--; f.times == 0 {
			p.faults = slices.Delete(p.faults, i, i+1)
		}
		return f
	}
	return nil
}

func (p *Proxy) add(f *fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f)
}

// addFirst is add before all others.
func (p *Proxy) addFirst(f *fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.Insert(p.faults, 0, f)
}

// Answer answers the next requests of a kind with an error, without asking the server.
// The counter says how often it has.
func (p *Proxy) Answer(r Request, times int, status metav1.Status) *atomic.Int64 {
	var count atomic.Int64
	p.add(&fault{r, times, func(x *exchange) {
		count.Add(1)
		x.answer(status)
	}})
	return &count
}

// answer is the reply of a server that refuses.
func (x *exchange) answer(status metav1.Status) {
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	status.Status = metav1.StatusFailure
	text, err := json.Marshal(status)
	if err != nil {
		panic(err)
	}
	x.w.Header().Set("Content-Type", "application/json")
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		x.w.Header().Set("Retry-After", fmt.Sprint(d.RetryAfterSeconds))
	}
	x.w.WriteHeader(int(status.Code))
	_, _ = x.w.Write(text)
}

// Drop cuts the connection of the next requests of a kind; afterwards: when the server
// has done what was asked, so that only the reply is lost.
func (p *Proxy) Drop(r Request, times int, afterwards bool) *atomic.Int64 {
	var count atomic.Int64
	p.add(&fault{r, times, func(x *exchange) {
		count.Add(1)
		if afterwards {
			x.forward()
			x.got.Body.Close()
		}
		panic(http.ErrAbortHandler)
	}})
	return &count
}

// Held is one request that stands still where the test wants it to.
type Held struct {
	proxy    *Proxy
	arrived  chan struct{}
	orders   chan order
	answered chan int // the status of what the server answered
	of       Request
}

type order int

const (
	forward order = iota
	forwardLate
	reply
	drop
)

// Hold holds the next request of a kind.
func (p *Proxy) Hold(r Request) *Held {
	h := &Held{p, make(chan struct{}), make(chan order), make(chan int, 1), r}
	p.add(&fault{r, 1, h.act})
	return h
}

// HoldAll holds the next request of a kind, and keeps those that come meanwhile waiting
// behind it: await-completed looks from two sides.
func (p *Proxy) HoldAll(r Request) *Held {
	h := &Held{p, make(chan struct{}), make(chan order), make(chan int, 1), r}
	over := make(chan struct{})
	var first atomic.Bool
	p.add(&fault{r, math.MaxInt, func(x *exchange) {
		if first.CompareAndSwap(false, true) {
			defer close(over)
			h.act(x)
			return
		}
		select {
		case <-over:
		case <-p.site.Ctx.Done():
			panic(http.ErrAbortHandler)
		}
		x.forward()
		x.reply()
	}})
	return h
}

func (h *Held) act(x *exchange) {
	close(h.arrived)
	h.obey(x)
}

// obey does to a request what the test orders.
func (h *Held) obey(x *exchange) {
	for {
		select {
		case <-h.proxy.site.Ctx.Done():
			panic(http.ErrAbortHandler)
		case o := <-h.orders:
			switch o {
			case forward:
				if !h.forward(x) {
					return
				}
			case forwardLate:
				x.forward()
				h.answered <- x.got.StatusCode
			case reply:
				if x.got == nil {
					x.forward()
				}
				x.reply()
				return
			case drop:
				if x.got != nil {
					x.got.Body.Close()
				}
				panic(http.ErrAbortHandler)
			}
		}
	}
}

// forward reports whether the server has done what was asked. After a conflict it has not: VolSync
// or a controller has changed the object meanwhile, as they may at any time. The program gets that
// reply, and its next request of the kind takes the place of this one.
func (h *Held) forward(x *exchange) bool {
	x.forward()
	if x.got.StatusCode != http.StatusConflict {
		h.answered <- x.got.StatusCode
		return true
	}
	h.proxy.addFirst(&fault{h.of, 1, func(x *exchange) {
		if h.forward(x) {
			h.obey(x)
		}
	}})
	x.reply()
	return false
}

func (h *Held) wait(c <-chan struct{}, what string) {
	h.proxy.site.Helper()
	select {
	case <-c:
	case <-h.proxy.site.Ctx.Done():
		h.proxy.site.Fatalf("waiting for %s: %v", what, h.proxy.site.Ctx.Err())
	}
}

func (h *Held) order(o order) {
	h.proxy.site.Helper()
	select {
	case h.orders <- o:
	case <-h.proxy.site.Ctx.Done():
		h.proxy.site.Fatalf("nobody takes the order: %v", h.proxy.site.Ctx.Err())
	}
}

// Arrived waits until the request is there. The server has not seen it.
func (h *Held) Arrived() { h.proxy.site.Helper(); h.wait(h.arrived, "a request") }

// Forward sends it on, and returns when the server has done it. The program does not
// know yet.
func (h *Held) Forward() {
	h.proxy.site.Helper()
	h.Arrived()
	h.order(forward)
	if status := h.answer(); status != http.StatusOK {
		h.proxy.site.Fatalf("the server answered %d to %s %s", status, h.of.Verb, h.of.Resource)
	}
}

// ForwardTooLate sends it on, and returns when the server has refused it with a conflict.
func (h *Held) ForwardTooLate() {
	h.proxy.site.Helper()
	h.Arrived()
	h.order(forwardLate)
	if status := h.answer(); status != http.StatusConflict {
		h.proxy.site.Fatalf("the server answered %d to %s %s, want a conflict", status, h.of.Verb, h.of.Resource)
	}
}

// answer waits for the status of the server's answer.
func (h *Held) answer() int {
	h.proxy.site.Helper()
	select {
	case status := <-h.answered:
		return status
	case <-h.proxy.site.Ctx.Done():
		h.proxy.site.Fatalf("waiting for the server's answer: %v", h.proxy.site.Ctx.Err())
	}
	return 0
}

// Reply gives the program the server's reply, having sent the request on first if
// Forward has not.
func (h *Held) Reply() { h.proxy.site.Helper(); h.Arrived(); h.order(reply) }

// Drop cuts the connection.
func (h *Held) Drop() { h.proxy.site.Helper(); h.Arrived(); h.order(drop) }

// Spent asserts that every fault has happened, so that a test has tested something.
func (p *Proxy) Spent() {
	p.site.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.site.Fatalf("the program did not %s %s %s as often as expected", f.of.Verb, f.of.Resource, f.of.Name)
	}
}
