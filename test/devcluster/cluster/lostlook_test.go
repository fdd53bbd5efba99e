package cluster

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// csi-snapshotter drops a look at a snapshot if its cache is older than its own last write,
// and does not look again by itself. A machine that is busy does that to it; here its watch is
// held back, and the look follows at once. The snapshot gets ready all the same.
func testLostLook(t *testing.T, c *Cluster) {
	if v := c.own.options.versions.Of("snapshotter"); strings.HasPrefix(v, "8.2.") {
		t.Skip("external-snapshotter " + v + " never looks again")
	}
	s := newSite(t, c, "lost-look")
	news := s.lateNews()
	s.hold(pace.Pace{ReadyDelay: time.Hour})
	s.replicate("Snapshot")
	s.copyStatus("WaitingForTrigger")
	s.fire("run-1")
	cut := s.snapshot("cut", func(o *unstructured.Unstructured) bool { return text(o, "status", "creationTime") != "" })
	s.logged("csi-snapshotter", `ignoring content "`+text(cut, "status", "boundVolumeSnapshotContentName")+`"`)
	s.must(c.SetPace(pace.Pace{}))
	news.release()
	s.copyStatus("Completed")
}

// lateNews is csi-snapshotter's way to the API server. From the first snapshot on that it
// makes, what the server tells of snapshot contents waits for the release.
type lateNews struct {
	proxy    *httputil.ReverseProxy
	held     atomic.Bool
	released chan struct{}
	release  func()
}

// lateNews puts csi-snapshotter behind one until the end of the test.
func (s *site) lateNews() *lateNews {
	s.t.Helper()
	transport, err := rest.TransportFor(s.config)
	s.must(err)
	server, err := url.Parse(s.config.Host)
	s.must(err)
	l := &lateNews{released: make(chan struct{})}
	l.release = sync.OnceFunc(func() { close(l.released) })
	l.proxy = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(server) },
		Transport:      transport,
		FlushInterval:  -1,
		ModifyResponse: l.reply,
	}
	way := httptest.NewServer(l)
	s.t.Cleanup(way.Close)
	s.t.Cleanup(l.release)
	kubeconfig := filepath.Join(s.t.TempDir(), "kubeconfig")
	s.must(writeKubeconfig(kubeconfig, clientcmdapi.Cluster{Server: way.URL}, "", clientcmdapi.AuthInfo{}))
	s.rerun("csi-snapshotter", "--kubeconfig="+kubeconfig, "--v=4", "--retry-interval-start=1ms")
	return l
}

func (l *lateNews) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPatch {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // csi-snapshotter is gone
		}
		if bytes.Contains(body, []byte("volumesnapshot-being-created")) {
			l.held.Store(true) // before the server hears of it
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	l.proxy.ServeHTTP(w, r)
}

func (l *lateNews) reply(r *http.Response) error {
	if q := r.Request.URL; q.Query().Has("watch") && strings.HasSuffix(q.Path, "/volumesnapshotcontents") {
		r.Body = &lateBody{r.Body, l}
	}
	return nil
}

type lateBody struct {
	io.ReadCloser
	news *lateNews
}

func (b *lateBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.news.held.Load() {
		<-b.news.released
	}
	return n, err
}

// rerun runs a component with more arguments until the end of the test.
func (s *site) rerun(name string, args ...string) {
	s.t.Helper()
	all := s.own.supervisor
	i := slices.IndexFunc(all.snapshot(), func(c spec) bool { return c.name == name })
	with := func(ctx context.Context, args []string) {
		all.mu.Lock()
		all.specs[i].args = args
		all.mu.Unlock()
		s.must(s.Component(name).Restart(ctx))
	}
	was := all.snapshot()[i].args
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		with(ctx, was)
	})
	with(s.ctx, slices.Concat(was, args))
}

// logged waits until a component has logged something.
func (s *site) logged(name, what string) {
	s.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		log, err := os.ReadFile(s.own.supervisor.logFile(name))
		s.must(err)
		if bytes.Contains(log, []byte(what)) {
			return
		}
		select {
		case <-look.C:
		case <-s.ctx.Done():
			s.t.Fatalf(
				"waiting for %s to log %q: %v; its last lines:\n%s",
				name,
				what,
				s.ctx.Err(),
				tail(s.own.supervisor.logFile(name), 30),
			)
		}
	}
}
