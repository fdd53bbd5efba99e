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

// Answer answers the next requests of a kind with an error, without asking the server.
// The counter says how often it has.
func (p *Proxy) Answer(r Request, times int, status metav1.Status) *atomic.Int64 {
	var count atomic.Int64
	p.add(&fault{r, times, func(x *exchange) {
		count.Add(1)
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
	}})
	return &count
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
	answered chan struct{}
}

type order int

const (
	forward order = iota
	reply
	drop
)

// Hold holds the next request of a kind.
func (p *Proxy) Hold(r Request) *Held {
	h := &Held{p, make(chan struct{}), make(chan order), make(chan struct{})}
	p.add(&fault{r, 1, h.act})
	return h
}

// HoldAll holds the next request of a kind, and keeps those that come meanwhile waiting
// behind it: await-completed looks from two sides.
func (p *Proxy) HoldAll(r Request) *Held {
	h := &Held{p, make(chan struct{}), make(chan order), make(chan struct{})}
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
	for {
		select {
		case <-h.proxy.site.Ctx.Done():
			panic(http.ErrAbortHandler)
		case o := <-h.orders:
			switch o {
			case forward:
				x.forward()
				close(h.answered)
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
	h.wait(h.answered, "the server's answer")
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
