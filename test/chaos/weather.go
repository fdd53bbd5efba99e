package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Weather is what an actor's connection to the API server does to its requests.
type Weather struct {
	Seed   uint64
	One    int // one of so many requests meets a fault; 0: none does
	Late   bool
	Outage Outage
	Aims   []Aim
}

// Aim is what becomes of one request that a plan is about.
type Aim struct {
	Verb string
	Nth  int // of the requests with that verb, the first is 1
	Fate harness.Fate
}

// unauthorized is the answer to the look with that number.
func unauthorized(nth int) Aim {
	status := harness.Unauthorized()
	return Aim{"get", nth, harness.Fate{Status: &status}}
}

// Outage is a time in which no request is answered.
type Outage struct {
	When
	Length time.Duration
}

// weather is fair for half of the actors. Replies to looks come late only where unquiesce ends
// nothing but its own freeze: whoever is told late that the claim is its own cannot know better.
func (d dice) weather(p *Plan) Weather {
	w := Weather{Seed: d.Uint64(), Late: p.Scoped}
	if d.in(2) {
		return w
	}
	w.One = 2 + d.IntN(12)
	if d.in(4) {
		w.Outage = Outage{When{d.moment("a"), d.span(800)}, 200*time.Millisecond + d.span(4000)}
		if d.in(6) {
			w.Outage.Length = 25 * time.Second
		}
	}
	return w
}

func (w Weather) String() string {
	var parts []string
	if w.One > 0 {
		parts = append(parts, fmt.Sprintf("one request of %d", w.One))
	}
	if w.Outage.Length > 0 {
		parts = append(parts, fmt.Sprintf("no answer for %s, %s", w.Outage.Length, w.Outage.When))
	}
	if parts == nil {
		return "fair"
	}
	return strings.Join(parts, "; ")
}

// sky decides what becomes of the requests of one actor.
type sky struct {
	weather  Weather
	who      string
	timeline *Timeline
	count    func(fault string)

	mu   sync.Mutex
	dice dice
	down bool
	seen map[string]int // requests by verb
}

func newSky(w Weather, who string, t *Timeline, count func(string)) *sky {
	return &sky{
		weather: w, who: who, timeline: t, count: count,
		dice: dice{rand.New(rand.NewPCG(w.Seed, 1))}, seen: map[string]int{},
	}
}

// fault is one kind of what becomes of a request.
type fault struct {
	name  string
	fate  func(d dice) harness.Fate
	write bool // only of writes
	watch bool // only of watches
	look  bool // only of looks, and where they may be late
	final bool // a step takes it for the last word
}

func answered(name string, status metav1.Status) fault {
	return fault{name: name, fate: func(dice) harness.Fate { return harness.Fate{Status: &status} }}
}

func late(d dice) harness.Fate { return harness.Fate{After: d.span(3000)} }

func final(f fault) fault { f.final = true; return f }

func watched(name string, fate func(d dice) harness.WatchFate) fault {
	return fault{name: name, watch: true, fate: func(d dice) harness.Fate { return harness.Fate{Watch: fate(d)} }}
}

// faults are all kinds.
func faults() []fault {
	expired := harness.Expired()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "persistentvolumeclaims"}, harness.Claim,
		errors.New("the object has been modified")).ErrStatus
	return []fault{
		{name: "dropped before", fate: func(dice) harness.Fate { return harness.Fate{DropBefore: true} }},
		{name: "dropped after", fate: func(dice) harness.Fate { return harness.Fate{DropAfter: true} }},
		{name: "write dropped after", write: true, fate: func(dice) harness.Fate { return harness.Fate{DropAfter: true} }},
		{name: "request late", fate: func(d dice) harness.Fate { return harness.Fate{Before: d.span(1500)} }},
		{name: "write late", write: true, fate: func(d dice) harness.Fate { return harness.Fate{Before: d.span(4000)} }},
		{name: "write very late", write: true, fate: func(d dice) harness.Fate {
			return harness.Fate{Before: 10*time.Second + d.span(3000)}
		}},
		{name: "write's reply late", write: true, fate: late},
		{name: "look's reply late", look: true, fate: late},
		final(answered("401", harness.Unauthorized())),
		final(answered("403", harness.Forbidden())),
		{name: "409", write: true, fate: func(dice) harness.Fate { return harness.Fate{Status: &conflict} }},
		{name: "410", watch: true, fate: func(dice) harness.Fate { return harness.Fate{Status: &expired} }},
		answered("429", harness.TooMany()),
		answered("500", apierrors.NewInternalError(fmt.Errorf("chaos")).ErrStatus),
		answered("503", harness.Unavailable()),
		answered("504", apierrors.NewTimeoutError("chaos", 1).ErrStatus),
		watched("watch mute", func(d dice) harness.WatchFate { return harness.WatchFate{Mute: d.span(8000)} }),
		watched("watch late", func(d dice) harness.WatchFate { return harness.WatchFate{Late: d.span(1500)} }),
		watched("watch ended", func(d dice) harness.WatchFate { return harness.WatchFate{End: 1 + d.span(1500)} }),
		watched("watch broken", func(d dice) harness.WatchFate {
			return harness.WatchFate{End: 1 + d.span(1500), Break: true}
		}),
		watched("watch expired", func(d dice) harness.WatchFate {
			return harness.WatchFate{End: 1 + d.span(1500), Status: &expired}
		}),
	}
}

// fits reports whether the fault can meet the request.
func (f fault) fits(r harness.Request, late bool) bool {
	switch r.Verb {
	case "watch":
		return !f.write && !f.look
	case "patch":
		return !f.watch && !f.look
	}
	return !f.write && !f.watch && (!f.look || late)
}

// decide is the fate of a request.
func (s *sky) decide(r harness.Request) harness.Fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		s.count("no answer")
		return harness.Fate{DropBefore: true}
	}
	s.seen[r.Verb]++
	for _, aim := range s.weather.Aims {
		if aim.Verb == r.Verb && aim.Nth == s.seen[r.Verb] {
			s.timeline.Add(s.who, "        %s %s: aimed at%s", r.Verb, r.Resource, spans(aim.Fate))
			return aim.Fate
		}
	}
	if s.weather.One == 0 || !s.dice.in(s.weather.One) {
		return harness.Fate{}
	}
	var all []fault
	for _, f := range faults() {
		if f.fits(r, s.weather.Late) {
			all = append(all, f)
		}
	}
	f := all[s.dice.IntN(len(all))]
	if f.final && !s.dice.in(4) { // or most runs would end before they had begun
		f = all[s.dice.IntN(len(all))]
	}
	fate := f.fate(s.dice)
	s.count(f.name)
	s.timeline.Add(s.who, "        %s %s: %s%s", r.Verb, r.Resource, f.name, spans(fate))
	return fate
}

func spans(f harness.Fate) string {
	for _, d := range []time.Duration{f.Before, f.After, f.Watch.Mute, f.Watch.Late, f.Watch.End} {
		if d > 0 {
			return " (" + d.Round(time.Millisecond).String() + ")"
		}
	}
	return ""
}

// outage lets no request be answered for a time.
func (s *sky) outage(proxy *harness.Proxy, done <-chan struct{}) {
	s.set(true)
	s.count("outage")
	s.timeline.Add(s.who, "        the API server is away")
	proxy.Down()
	select {
	case <-time.After(s.weather.Outage.Length):
	case <-done:
	}
	proxy.Up()
	s.set(false)
	s.timeline.Add(s.who, "        the API server is back")
}

func (s *sky) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}
