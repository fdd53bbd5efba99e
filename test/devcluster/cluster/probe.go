package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
)

// prober asks components whether they are ready.
type prober struct {
	client *http.Client
}

func newProber(pki *pki, dial func(ctx context.Context, kind, address string) (net.Conn, error)) (*prober, error) {
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(pki.path("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	pool.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(pki.path("admin.crt"), pki.path("admin.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the administrator's certificate: %w", err)
	}
	return &prober{client: &http.Client{Transport: &http.Transport{
		DialContext:     dial,
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
		// A kept connection would outlive a component that is killed and started.
		DisableKeepAlives: true,
	}}}, nil
}

// get is a probe: is there a 200 at the url?
func (p *prober) get(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		r, err := p.client.Do(q)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("asking %s: %s", url, r.Status)
		}
		return nil
	}
}

// dial is a probe: does somebody listen at the unix socket?
func dial(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
