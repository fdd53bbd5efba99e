package pace

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestClassOverridesFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pace.json")
	if err := (Pace{CutDelay: time.Second, ReadyDelay: time.Minute}).Save(file); err != nil {
		t.Fatal(err)
	}
	p, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.With(map[string]string{"cutDelay": "2s", "filePause": "50ms", "somebody/elses": "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := Pace{CutDelay: 2 * time.Second, FilePause: 50 * time.Millisecond, ReadyDelay: time.Minute}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNoFileIsFast(t *testing.T) {
	got, err := Load(filepath.Join(t.TempDir(), "none"))
	if err != nil || got != (Pace{}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, text := range []string{"", "soon", "2", "-1s"} {
		if _, err := (Pace{}).With(map[string]string{"cutDelay": text}); err == nil {
			t.Errorf("cutDelay %q was taken", text)
		}
	}
}

func TestWaitEndsWhenShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		err := Wait(t.Context(), func() (time.Duration, error) {
			if time.Since(begun) >= time.Minute {
				return 0, nil
			}
			return time.Hour, nil
		})
		if took := time.Since(begun); err != nil || took > time.Minute+time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Wait(ctx, func() (time.Duration, error) { return time.Hour, nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
