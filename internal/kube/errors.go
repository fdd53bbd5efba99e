package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Request says what was asked of the API server: what an error is about, and which
// permission a refused request lacked.
type Request struct {
	Verb      string // get, list, watch, patch
	Group     string // API group; "" for the core group
	Resource  string
	Namespace string // "" for the whole cluster
	Name      string // "" for a whole namespace
}

func (r Request) String() string {
	what := r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	switch {
	case r.Name != "" && r.Namespace == "":
		return what + " " + r.Name
	case r.Name != "":
		return what + " " + r.Namespace + "/" + r.Name
	case r.Namespace == "":
		return what + " in the cluster"
	}
	return what + " in namespace " + r.Namespace
}

// Error is a request that failed.
type Error struct {
	Request Request
	Err     error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Request.Verb, e.Request, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// wrap ties err to its request; nil stays nil.
func (r Request) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &Error{r, err}
}

// IsNotFound reports whether the object, or its whole resource, is not there.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsDenied reports whether the server does not let this account do this, or does not know it.
// An API server that has just been started may say so until it has read its rules.
func IsDenied(err error) bool { return IsForbidden(err) || IsUnauthorized(err) }

// IsForbidden reports whether the account may not do this.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) }

// IsUnauthorized reports whether the server does not know the account.
func IsUnauthorized(err error) bool { return apierrors.IsUnauthorized(err) }

// IsBadRequest reports whether the server does not take such a request. A webhook that takes no dry
// runs, or refuses whatever is one, is told so.
func IsBadRequest(err error) bool { return apierrors.IsBadRequest(err) }

// IsInvalid reports whether the server does not take such an object. A policy may say so.
func IsInvalid(err error) bool { return apierrors.IsInvalid(err) }

// IsConflict reports whether a conditional write came too late: the object has changed.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// AlreadyExists reports whether there is an object of the name that was to be created.
func AlreadyExists(err error) bool { return apierrors.IsAlreadyExists(err) }

// Undone reports whether a failed request certainly changed nothing: the server refused it, or
// never got it. After any other error a write may have been done all the same.
func Undone(err error) bool {
	var (
		status apierrors.APIStatus
		op     *net.OpError
	)
	if errors.As(err, &status) {
		return status.Status().Code >= 400 && status.Status().Code < 500
	}
	return errors.As(err, &op) && op.Op == "dial"
}

// Passing reports whether the same request may succeed later. Everything that is not known
// to pass is final: to repeat a refused request only hides the refusal.
func Passing(err error) bool {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		// Not IsUnexpectedServerError: that is any answer that is not the API server's own
		// JSON, such as its 404 for a group that it does not have, or the 403 of a proxy.
		return status.Status().Code >= 500 || apierrors.IsTooManyRequests(err) ||
			apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
			apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) ||
			apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
	}
	return !errors.Is(err, context.Canceled) && !untrusted(err) && broken(err)
}

// untrusted: who answered is not a server that we may talk to.
func untrusted(err error) bool {
	var (
		certificate *tls.CertificateVerificationError // whatever is wrong with it
		plain       tls.RecordHeaderError
	)
	return errors.As(err, &certificate) || errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch)
}

// broken: the connection, or a watch on it, did not last.
func broken(err error) bool {
	var (
		network net.Error // also *url.Error, which is every request without a reply
		stream  http2.StreamError
		//lint:ignore SA1019 the transport returns it all the same, and there is no other type
		away http2.GoAwayError
	)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errEnded) ||
		errors.As(err, &network) || errors.As(err, &stream) || errors.As(err, &away) || utilnet.IsHTTP2ConnectionLost(err)
}

// retryAfter is how long the server asked to be left alone.
func retryAfter(err error) time.Duration {
	if s, ok := apierrors.SuggestsClientDelay(err); ok {
		return time.Duration(s) * time.Second
	}
	return 0
}
