// Command cacerts writes the CA certificates of the image as a PEM bundle to
// standard output.
//
// The certificates are Mozilla's, as packaged in golang.org/x/crypto/x509roots.
// Their version is fixed by go.mod and go.sum, so the same commit gives the
// same bundle on any machine; the bundle of the building machine would not.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cacerts:", err)
		os.Exit(1)
	}
}

func write(w io.Writer) error {
	out := bufio.NewWriter(w)
	for root := range bundle.Roots() {
		// A constrained root is trusted for some certificates only (such as
		// those issued before a date). A PEM bundle cannot express that, and
		// would trust the root without limit, so it is left out.
		if root.Constraint != nil {
			continue
		}
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "# %s\n", cert.Subject)
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
	}
	return out.Flush()
}
