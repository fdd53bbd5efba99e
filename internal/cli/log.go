package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
)

// What goes where:
//   - stdout has results, nothing else, so that it can be piped.
//   - stderr has progress, reasons, errors and hints.
//   - a line starts with the program's name, and has no capital and no full stop.
//   - an error says what, on which object, and a hint says what to do.

// newLog returns a log in a format: "text" for people, "json" for collectors.
func newLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(&textHandler{w: w})
}

// withoutCancelled leaves out what client-go says of a request that the program itself has
// cancelled, because its answer was not needed any more: that is no error.
func withoutCancelled(log *slog.Logger) *slog.Logger { return slog.New(cancelledFilter{log.Handler()}) }

type cancelledFilter struct{ slog.Handler }

func (h cancelledFilter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return cancelledFilter{h.Handler.WithAttrs(attrs)}
}

func (h cancelledFilter) WithGroup(name string) slog.Handler {
	return cancelledFilter{h.Handler.WithGroup(name)}
}

func (h cancelledFilter) Handle(ctx context.Context, r slog.Record) error {
	cancelled := false
	r.Attrs(func(a slog.Attr) bool {
		err, is := a.Value.Any().(error)
		cancelled = cancelled || is && errors.Is(err, context.Canceled)
		return !cancelled
	})
	if cancelled {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// textHandler prints the message, which says everything; attributes repeat it for machines.
type textHandler struct {
	mu sync.Mutex
	w  io.Writer
}

func (h *textHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *textHandler) WithGroup(string) slog.Handler      { return h }

// Enabled leaves out what client-go says at its verbose levels, request bodies among it.
func (h *textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	label := ""
	switch r.Level {
	case slog.LevelWarn:
		label = "warning: "
	case slog.LevelError:
		label = "error: "
	}
	line, hint := r.Message, ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "hint":
			hint = a.Value.String()
		case "waited":
			line += " (" + a.Value.String() + ")"
		case "err": // of client-go's messages, which say little without it
			line += ": " + a.Value.String()
		}
		return true
	})
	text := "copytrigger: " + label + oneLine(line) + "\n"
	if hint != "" {
		text += "copytrigger: hint: " + oneLine(hint) + "\n"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, text) // at once, so that the hint stays with its error
	return err
}
