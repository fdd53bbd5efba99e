package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Request says what was asked of the API server: what an error is about, and which
// permission a refused request lacked.
type Request struct {
	Verb      string // get, list, watch, patch
	Group     string // API group; "" for the core group
	Resource  string
	Namespace string
	Name      string // "" for a whole namespace
}

func (r Request) String() string {
	what := r.Resource
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Name != "" {
		what += " " + r.Namespace + "/" + r.Name
	} else {
		what += " in namespace " + r.Namespace
	}
	return what
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

// IsNotFound says that the object, or its whole resource, is not there.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) }

// IsForbidden says that the account may not do this.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) }

// IsUnauthorized says that the server does not know the account.
func IsUnauthorized(err error) bool { return apierrors.IsUnauthorized(err) }

// IsConflict says that a conditional write came too late: the object has changed.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// Passing says whether the same request may succeed later. Everything that is not known
// to pass is final: to repeat a refused request only hides the refusal.
func Passing(err error) bool {
	if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		switch {
		case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
			apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err),
			apierrors.IsResourceExpired(err), apierrors.IsGone(err), apierrors.IsUnexpectedServerError(err):
			return true
		}
		return false
	}
	if s := apierrors.APIStatus(nil); errors.As(err, &s) && s.Status().Code >= 500 {
		return true
	}
	var (
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		host        x509.HostnameError
		plain       tls.RecordHeaderError
	)
	if errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &plain) {
		return false
	}
	var (
		network net.Error
		asURL   *url.Error
	)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errEnded) ||
		errors.As(err, &network) || errors.As(err, &asURL) && !errors.Is(err, context.Canceled)
}

// retryAfter is how long the server asked to be left alone.
func retryAfter(err error) time.Duration {
	if s, ok := apierrors.SuggestsClientDelay(err); ok {
		return time.Duration(s) * time.Second
	}
	return 0
}
