package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"golang.org/x/net/http2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

var (
	pvcs    = schema.GroupResource{Resource: "persistentvolumeclaims"}
	pvcKind = schema.GroupKind{Kind: "PersistentVolumeClaim"}
)

// plain is what the client makes of an answer that is not a Status: from a proxy, or from
// the API server for a group that it does not have.
func plain(code int) error {
	return apierrors.NewGenericServerResponse(code, "get", pvcs, "data", "404 page not found", 0, true)
}

// because is an answer with a reason alone, as an event of a watch may have it.
func because(reason metav1.StatusReason) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: reason}}
}

func TestPassingOfAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"too many requests": {apierrors.NewTooManyRequests("slow down", 1), true},
		"server timeout":    {apierrors.NewServerTimeout(pvcs, "get", 1), true},
		"timeout":           {apierrors.NewTimeoutError("slow", 1), true},
		"unavailable":       {apierrors.NewServiceUnavailable("starting"), true},
		"internal":          {apierrors.NewInternalError(errors.New("etcd")), true},
		"expired":           {apierrors.NewResourceExpired("too old"), true},
		"gone": {
			&apierrors.StatusError{ErrStatus: metav1.Status{Code: 410, Reason: metav1.StatusReasonGone}},
			true,
		},
		"unknown 500":             {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 500}}, true},
		"unknown 502":             {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 502}}, true},
		"server timeout, no code": {because(metav1.StatusReasonServerTimeout), true},
		"timeout, no code":        {because(metav1.StatusReasonTimeout), true},
		"unavailable, no code":    {because(metav1.StatusReasonServiceUnavailable), true},
		"internal, no code":       {because(metav1.StatusReasonInternalError), true},
		"502 of a proxy":          {plain(502), true},
		"503 of a proxy":          {plain(503), true},
		"504 of a proxy":          {plain(504), true},
		"429 of a proxy":          {plain(429), true},
		"not found":               {apierrors.NewNotFound(pvcs, "data"), false},
		"forbidden":               {apierrors.NewForbidden(pvcs, "data", errors.New("no")), false},
		"unauthorized":            {apierrors.NewUnauthorized("who"), false},
		"conflict":                {apierrors.NewConflict(pvcs, "data", errors.New("changed")), false},
		"already exists":          {apierrors.NewAlreadyExists(pvcs, "data"), false},
		"bad request":             {apierrors.NewBadRequest("no"), false},
		"invalid":                 {apierrors.NewInvalid(pvcKind, "data", nil), false},
		"method not supported":    {apierrors.NewMethodNotSupported(pvcs, "patch"), false},
		"not acceptable":          {plain(406), false},
		"too large":               {apierrors.NewRequestEntityTooLargeError("big"), false},
		"404 of a missing group":  {plain(404), false},
		"403 of a proxy":          {plain(403), false},
		"401 of a proxy":          {plain(401), false},
		"400, plain HTTP for TLS": {plain(400), false},
		"unknown 418":             {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 418}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Passing(c.err); got != c.want {
				t.Errorf("Passing(%v) = %v, want %v", c.err, got, c.want)
			}
			wrapped := &Error{Request{Verb: "get"}, fmt.Errorf("looking: %w", c.err)}
			if got := Passing(wrapped); got != c.want {
				t.Errorf("wrapped: Passing(%v) = %v, want %v", wrapped, got, c.want)
			}
		})
	}
}

// asked is a request that got no reply.
func asked(err error) error { return &url.Error{Op: "Get", URL: "https://api", Err: err} }

func TestPassingOfOtherErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"EOF":               {io.EOF, true},
		"unexpected EOF":    {fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), true},
		"watch ended":       {errEnded, true},
		"deadline":          {context.DeadlineExceeded, true}, // of one request; Retry knows when its own is over
		"request cancelled": {&url.Error{Op: "Get", URL: "https://api", Err: context.Canceled}, false},
		"cancelled":         {context.Canceled, false},
		"no such host":      {&net.DNSError{Err: "no such host", IsNotFound: true}, true},
		"anything else":     {errors.New("cannot decode"), false},
		"HTTP/2 stream":     {http2.StreamError{Code: http2.ErrCodeInternal}, true},
		//lint:ignore SA1019 the transport returns it all the same
		"HTTP/2 going away": {http2.GoAwayError{}, true},
		"HTTP/2 lost":       {errors.New("http2: client connection lost"), true},
		"an expired certificate": {asked(&tls.CertificateVerificationError{
			Err: x509.CertificateInvalidError{Reason: x509.Expired},
		}), false},
		"no TLS": {asked(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Passing(c.err); got != c.want {
				t.Errorf("Passing(%v) = %v, want %v", c.err, got, c.want)
			}
		})
	}
}

// nobody listens there. A port that was let go a moment ago is anybody's.
const nobody = "http://127.0.0.1:1"

// The errors that the real client gets from real connections.
func TestPassingOfConnections(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	secure := httptest.NewUnstartedServer(ok)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	open := httptest.NewServer(ok)
	defer open.Close()
	hangUp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	}))
	defer hangUp.Close()
	halfWay := func(http2 bool) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	one, two := halfWay(false), halfWay(true)
	for name, c := range map[string]struct {
		url      string
		insecure bool
		want     bool
	}{
		"refused":               {nobody, false, true},
		"hung up":               {hangUp.URL, false, true},
		"reply cut off, HTTP/1": {one.URL, true, true},
		"reply cut off, HTTP/2": {two.URL, true, true},
		"unknown authority":     {secure.URL, false, false},
		"HTTPS asked of HTTP":   {"https://" + open.Listener.Addr().String(), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := metadata.NewForConfig(
				&rest.Config{Host: c.url, TLSClientConfig: rest.TLSClientConfig{Insecure: c.insecure}},
			)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: pvcs.Resource}).
				Namespace("app").
				Patch(ctx, "data", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
				// a Get would be tried 10 times, 1 s apart
			if err == nil {
				t.Fatal("no error")
			}
			if got := Passing(err); got != c.want {
				t.Errorf("Passing(%v) = %v, want %v (%#v)", err, got, c.want, errors.Unwrap(err))
			}
		})
	}
}

func TestUndone(t *testing.T) {
	_, refused := http.Get(nobody)
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"conflict":           {apierrors.NewConflict(pvcs, "data", errors.New("changed")), true},
		"forbidden":          {apierrors.NewForbidden(pvcs, "data", errors.New("no")), true},
		"too many requests":  {apierrors.NewTooManyRequests("slow down", 1), true},
		"bad request":        {apierrors.NewBadRequest("no"), true},
		"connection refused": {refused, true},
		"timeout":            {apierrors.NewTimeoutError("slow", 1), false},
		"internal":           {apierrors.NewInternalError(errors.New("etcd")), false},
		"EOF":                {io.EOF, false},
		"deadline":           {context.DeadlineExceeded, false},
		"connection reset":   {&net.OpError{Op: "read", Err: errors.New("reset")}, false},
		"reply not readable": {errors.New("cannot decode"), false},
	} {
		if got := Undone(&Error{Err: c.err}); got != c.want {
			t.Errorf("%s: Undone(%v) = %v, want %v", name, c.err, got, c.want)
		}
	}
}

func TestIsDenied(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"forbidden":    {apierrors.NewForbidden(pvcs, "data", errors.New("no")), true},
		"unauthorized": {apierrors.NewUnauthorized("who"), true},
		"not found":    {apierrors.NewNotFound(pvcs, "data"), false},
	} {
		if got := IsDenied(&Error{Err: c.err}); got != c.want {
			t.Errorf("%s: IsDenied(%v) = %v, want %v", name, c.err, got, c.want)
		}
	}
}

func TestErrorNamesTheRequest(t *testing.T) {
	for _, c := range []struct {
		r    Request
		want string
	}{
		{
			Request{Verb: "get", Resource: "persistentvolumeclaims", Namespace: "app", Name: "data"},
			"get persistentvolumeclaims app/data: no",
		},
		{
			Request{Verb: "list", Group: "volsync.backube", Resource: "replicationsources", Namespace: "app"},
			"list replicationsources.volsync.backube in namespace app: no",
		},
	} {
		if got := c.r.wrap(errors.New("no")).Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := (Request{}).wrap(nil); err != nil {
		t.Errorf("wrap(nil) = %v", err)
	}
}
