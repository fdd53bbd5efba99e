package quiesce

// Each test here is named after something that once broke a promise. Its comment tells what
// happened before that was mended.

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/process"
)

// The limit of unquiesce has passed before the first attempt (--unquiesce-timeout=1ns, or a process that
// stands still right there): nothing is run, and it ends well, as if the application ran.
func TestUnquiesceWhoseLimitHasPassed(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	c := Commands{Off: process.Command{Args: []string{"touch", ran}}, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	err := c.Unquiesce(ctx, func(context.Context) error { return nil })
	if _, serr := os.Stat(ran); err == nil && serr != nil {
		t.Error("ended well, and has run nothing")
	}
}
