package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/klog/v2"
)

func TestTextLog(t *testing.T) {
	var b strings.Builder
	log := newLog(&b, "text").With("command", "disarm")
	log.Info("PVC app/data: it waits", "waited", "1m0s")
	log.Warn("it is odd")
	log.Error("it failed", "hint", "do this")
	log.Error("it failed", "hint", "")
	want := `copytrigger: PVC app/data: it waits (1m0s)
copytrigger: warning: it is odd
copytrigger: error: it failed
copytrigger: hint: do this
copytrigger: error: it failed
`
	if got := b.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJSONLog(t *testing.T) {
	var b strings.Builder
	log := newLog(&b, "json").With("command", "disarm", "namespace", "app", "pvc", "data")
	log.Info("it waits", "waited", "1m0s")
	log.Error("it failed", "hint", "do this")
	for i, want := range []map[string]string{
		{"level": "INFO", "msg": "it waits", "command": "disarm", "namespace": "app", "pvc": "data", "waited": "1m0s"},
		{"level": "ERROR", "msg": "it failed", "command": "disarm", "namespace": "app", "pvc": "data", "hint": "do this"},
	} {
		line := strings.Split(b.String(), "\n")[i]
		got := map[string]string{}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if got["time"] == "" {
			t.Errorf("%s has no time", line)
		}
		delete(got, "time")
		if len(got) != len(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("got %s %q, want %q", k, got[k], v)
			}
		}
	}
}

// What client-go says of a request that we have cancelled is nobody's business; what it says of
// another is.
func TestClientLog(t *testing.T) {
	var b strings.Builder
	klog.SetSlogLogger(withoutCancelled(newLog(&b, "text").With("command", "disarm")))
	t.Cleanup(klog.ClearLogger)
	log := klog.Background()
	log.Error(context.Canceled, "Unexpected error when reading response body")
	log.Error(fmt.Errorf("reading: %w", context.Canceled), "Unexpected error when reading response body")
	log.Error(errors.New("broken"), "Unexpected error when reading response body")
	if want := "copytrigger: error: Unexpected error when reading response body: broken\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
