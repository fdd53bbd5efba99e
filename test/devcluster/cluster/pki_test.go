package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

func TestIssuedCertificates(t *testing.T) {
	a, err := newPKI(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.issue("admin", "someone", "group-a", "group-b"); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(a.path("admin.crt"), a.path("admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1", KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			t.Errorf("usage %d: %v", usage, err)
		}
	}
	if got := cert.Subject.String(); got != "CN=someone,O=group-a+O=group-b" {
		t.Errorf("got subject %s", got)
	}
}

func TestKeysAreNotForOthers(t *testing.T) {
	a, err := newPKI(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.keyPair("sa"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ca.key", "sa.key"} {
		info, err := os.Stat(a.path(file))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s: got mode %o", file, got)
		}
	}
}
