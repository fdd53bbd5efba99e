package harness

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Proxy stands between the program and the API server, with the account's own rights,
// and does to requests, replies and connections what networks and servers do.
type Proxy struct {
	site      *Site
	server    *http.Server
	base      *url.URL
	transport http.RoundTripper

	mu      sync.Mutex
	faults  []*fault
	decide  func(Request) Fate // nil: none has a fate
	streams map[*stream]bool
	opened  chan struct{} // closed when the next stream has begun
	conns   map[net.Conn]bool
	down    bool
	asked   []Request // all that came, in their order
	kept    []string  // requests that the server keeps something of
}

// Proxied is the same site, with the program's requests going through a proxy.
func (s *Site) Proxied() (*Site, *Proxy) {
	s.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	s.Must(err)
	transport, err := rest.TransportFor(config)
	s.Must(err)
	base, err := url.Parse(config.Host)
	s.Must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.Must(err)
	p := &Proxy{
		site: s, base: base, transport: transport,
		streams: map[*stream]bool{}, opened: make(chan struct{}), conns: map[net.Conn]bool{},
	}
	p.server = &http.Server{Handler: p, ConnState: p.track}
	served := make(chan struct{})
	go func() { defer close(served); _ = p.server.Serve(listener) }()
	s.Cleanup(func() { _ = p.server.Close(); <-served })
	return s.With(p.kubeconfig("http://" + listener.Addr().String())), p
}

func (p *Proxy) kubeconfig(server string) string {
	p.site.Helper()
	const name = "proxied"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, Namespace: p.site.Namespace}
	config.CurrentContext = name
	path := filepath.Join(p.site.TempDir(), "proxied.kubeconfig")
	p.site.Must(clientcmd.WriteToFile(*config, path))
	return path
}

// Asked are the requests that came, in their order.
func (p *Proxy) Asked() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Down cuts every connection and takes no new one, as a server that is restarted.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Up undoes Down.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *Proxy) track(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[c] = true
		if p.down {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
	}
}

// ServeHTTP does what a fault says, or else passes the request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the program is gone
	}
	p.count(r)
	x := &exchange{proxy: p, Request: readRequest(r), w: w, r: r, body: body}
	p.mu.Lock()
	p.asked = append(p.asked, x.Request)
	p.mu.Unlock()
	if f := p.fault(x.Request); f != nil {
		f.act(x)
		return
	}
	x.meet(p.fateOf(x.Request))
}

// count notes a request, and whether it is one that the server keeps something of: no dry run, and no
// question about the account's rights or name.
func (p *Proxy) count(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	review := strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") ||
		strings.HasSuffix(r.URL.Path, "/selfsubjectreviews")
	if r.Method == http.MethodGet || review && r.Method == http.MethodPost || r.URL.Query().Get("dryRun") == "All" {
		return
	}
	p.kept = append(p.kept, r.Method+" "+r.URL.String())
}

// WroteNothing asserts that the program has asked, and that the server has kept nothing of it.
func (p *Proxy) WroteNothing() {
	p.site.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 || len(p.kept) > 0 {
		p.site.Fatalf("%d requests, of which the server keeps %q", len(p.asked), p.kept)
	}
}

// Wrote asserts the opposite: what a step writes is counted.
func (p *Proxy) Wrote() {
	p.site.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		p.site.Fatalf("none of %d requests is one that the server keeps something of", len(p.asked))
	}
}

// exchange is one request and its reply.
type exchange struct {
	Request
	proxy *Proxy
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	got   *http.Response
	watch WatchFate
}

// forward sends the request to the API server and waits for the reply's beginning.
func (x *exchange) forward() {
	out := x.r.Clone(x.r.Context())
	if x.Verb == "patch" {
		// Once sent, a write is not taken back by its sender's death.
		out = x.r.Clone(x.proxy.site.Ctx)
	}
	out.RequestURI, out.Host = "", x.proxy.base.Host
	out.URL.Scheme, out.URL.Host = x.proxy.base.Scheme, x.proxy.base.Host
	out.Body = io.NopCloser(bytes.NewReader(x.body))
	// As text, so that events can be told apart and added to.
	out.Header.Set("Accept", textOnly(x.r.Header.Get("Accept")))
	out.Header.Del("Accept-Encoding")
	got, err := x.proxy.transport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // no connection there, none here
	}
	x.got = got
}

// reply passes the server's reply on.
func (x *exchange) reply() {
	defer x.got.Body.Close()
	for key, values := range x.got.Header {
		x.w.Header()[key] = values
	}
	x.w.WriteHeader(x.got.StatusCode)
	if x.Verb == "watch" && x.got.StatusCode == http.StatusOK {
		x.proxy.stream(x)
		return
	}
	_, _ = io.Copy(x.w, x.got.Body)
}

// textOnly takes the binary forms from what a client accepts.
func textOnly(accept string) string {
	var kept []string
	for form := range strings.SplitSeq(accept, ",") {
		if !strings.Contains(form, "protobuf") && !strings.Contains(form, "cbor") {
			kept = append(kept, form)
		}
	}
	return strings.Join(kept, ",")
}
