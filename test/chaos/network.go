package chaos

import (
	"errors"
	"net"
)

// asTimeout reports whether an error is that of a deadline.
func asTimeout(err error, as *net.Error) bool { return errors.As(err, as) && (*as).Timeout() }
