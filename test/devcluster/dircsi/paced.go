package main

import (
	"context"
	"os"
	"time"

	"github.com/copytrigger/copytrigger/test/devcluster/pace"
)

// paced is one copy made at somebody's pace. It asks for the pace again at every step,
// so that a copy can be hurried while it waits.
type paced struct {
	from, to string
	pace     func() (pace.Pace, error)
}

// partial is where the copy grows: what has its own name is whole.
func (p paced) partial() string { return p.to + ".partial" }

// copy waits for the moment of the cut and then copies.
func (p paced) copy(ctx context.Context) (cut, error) {
	if err := os.RemoveAll(p.partial()); err != nil {
		return cut{}, err
	}
	err := p.wait(ctx, func(p pace.Pace) time.Duration { return p.CutDelay })
	if err != nil {
		return cut{}, err
	}
	c := cut{Began: time.Now()}
	err = copyTree(ctx, p.from, p.partial(), func() error {
		return p.wait(ctx, func(p pace.Pace) time.Duration { return p.FilePause })
	})
	if err != nil {
		os.RemoveAll(p.partial())
		return cut{}, err
	}
	c.Ended = time.Now()
	return c, nil
}

// publish gives the copy its name.
func (p paced) publish() error {
	// Left by a driver killed between this rename and writing down the cut.
	if err := os.RemoveAll(p.to); err != nil {
		return err
	}
	return os.Rename(p.partial(), p.to)
}

func (p paced) wait(ctx context.Context, which func(pace.Pace) time.Duration) error {
	return pace.Wait(ctx, func() (time.Duration, error) {
		now, err := p.pace()
		return which(now), err
	})
}
