package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
)

// demo is everything that the acts need.
type demo struct {
	story     *story
	workspace *workspace
	site      *site
	app       application
	binary    string // copytrigger
	chronicle *chronicle
}

// show does the whole demonstration and clears everything away.
func show(ctx context.Context, o options, s *story) (err error) {
	d := &demo{story: s, chronicle: newChronicle(s)}
	if d.workspace, err = newWorkspace(); err != nil {
		return err
	}
	// Last in, first out: what uses the folder has ended when it goes.
	defer func() { err = cleared(err, d.workspace.remove()) }()
	if d.binary, err = findCopytrigger(ctx, o.copytrigger, d.workspace.dir); err != nil {
		return err
	}

	s.chapter("A cluster to throw away")
	build := cluster.Options{Dir: filepath.Join(d.workspace.dir, "cluster"), Progress: s.out, KeepLogs: o.keepLogs}
	if err := cluster.Build(ctx, build); err != nil {
		return err
	}
	c, err := cluster.Up(ctx, build)
	if err != nil {
		return err
	}
	defer func() { err = cleared(err, c.Stop()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A component that ends is the reason for whatever fails next.
	go func() { cancel(c.Wait(ctx)) }()
	if err := d.play(ctx, o.writer, c); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// play is the demonstration, once there is a cluster.
func (d *demo) play(ctx context.Context, writer string, c *cluster.Cluster) (err error) {
	if d.site, err = newSite(ctx, c); err != nil {
		return err
	}
	d.site.watcher.also(d.chronicle.see)

	d.story.chapter("An application that never stops writing to claim demo/data")
	if d.app, err = newApplication(writer, d.story, d.workspace); err != nil {
		return err
	}
	defer d.app.stop()
	if err := d.begin(ctx); err != nil {
		return err
	}
	return d.compare(ctx)
}

// begin lets the application write.
func (d *demo) begin(ctx context.Context) error {
	d.story.note(d.app.describe()...)
	volume, err := d.site.VolumeDir(ctx, namespace, claim)
	if err != nil {
		return err
	}
	if err := d.site.SetPace(d.app.pace()); err != nil {
		return err
	}
	if err := d.app.start(ctx, volume); err != nil {
		return err
	}
	if err := progress(ctx, d.app, 50); err != nil {
		return err
	}
	d.story.tell("application", "writing; %d entries in the ledger so far", d.app.written().now().least)
	return nil
}

// compare makes both copies and judges them.
func (d *demo) compare(ctx context.Context) error {
	first, freeze, seen, err := d.together(ctx)
	if err != nil {
		return err
	}
	unseen, err := d.alone(ctx, first)
	if err != nil {
		return err
	}
	d.story.chapter("Verdict")
	if err := verdict(seen, unseen); err != nil {
		return err
	}
	d.story.note(
		d.story.paint(
			green,
			"With copytrigger:    consistent",
		)+fmt.Sprintf(
			", for a freeze of %.1f s.",
			freeze.total().Seconds(),
		),
		d.story.paint(red, "Without copytrigger: torn")+fmt.Sprintf(", by %d of %d checks.", len(unseen.torn()), len(unseen)),
	)
	return nil
}

// together is the copy that copytrigger coordinates.
func (d *demo) together(ctx context.Context) (copied, freeze, examination, error) {
	s := d.story
	s.chapter("A copy with copytrigger")
	s.note("The storage of this cluster copies file after file, so the application is stopped for it: right",
		"for a copy of any kind. A storage with atomic snapshots may need less than that, or a shorter",
		"freeze; here it makes a missing one visible. ReplicationSource demo/nightly begins to sync.",
	)
	if err := d.site.backup(ctx); err != nil {
		return copied{}, freeze{}, nil, err
	}
	for _, variable := range append([]string{"KUBECONFIG=" + d.site.Kubeconfig()}, d.app.environment()...) {
		s.event(cyan, "", "$ export "+variable)
	}
	processes := newRunner(d.workspace.dir, nil, "KUBECONFIG="+d.site.Kubeconfig())
	defer processes.close()
	script := &coordinator{story: s, app: d.app, processes: processes, binary: d.binary, runID: "demo"}
	done, err := script.run(ctx)
	if err != nil {
		return copied{}, freeze{}, nil, err
	}
	c, err := d.site.copy(ctx, copied{})
	if err != nil {
		return copied{}, freeze{}, nil, err
	}
	if err := progress(ctx, d.app, 20); err != nil {
		return copied{}, freeze{}, nil, err
	}
	s.tell(
		"application",
		"was refused %d times in the freeze, and writes again: entry %d",
		done.refused,
		d.app.written().now().least,
	)
	f := done.freeze
	f.fired, f.taken = d.chronicle.when(eventFired), d.chronicle.when(eventTaken)
	f.cut, f.completed = c.ended, d.chronicle.when(eventCompleted)

	s.chapter("The freeze")
	s.note(f.timeline()...)

	s.chapter("Is the copy consistent? (claim demo/" + copyName + ", as VolSync hands it to its mover)")
	e, err := d.app.examine(ctx, "with", c.dir, done.bounds)
	if err != nil {
		return copied{}, freeze{}, nil, err
	}
	e = append(examination{within(c, f)}, e...)
	e.show(s)
	return c, f, e, nil
}

// within checks that the storage copied in the freeze only.
func within(c copied, f freeze) check {
	return check{
		what: "the storage copied in the freeze",
		ok:   c.began.After(f.quiesced) && c.ended.Before(f.thawing),
		found: fmt.Sprintf("from %.3f s to %.3f s of %.3f s",
			c.began.Sub(f.began).Seconds(), c.ended.Sub(f.began).Seconds(), f.total().Seconds()),
	}
}

// alone is the same copy of the same claim under the same load, without coordination.
func (d *demo) alone(ctx context.Context, last copied) (e examination, err error) {
	d.story.chapter("The same copy without copytrigger")
	d.story.command("kubectl", "annotate", "pvc", "-n", namespace, claim, useCopyTrigger+"-")
	if err := d.site.withoutTrigger(ctx); err != nil {
		return nil, err
	}
	// Now and then the application happens to rest for the whole of a copy.
	syncs := []string{"first", "second", "third", "fourth", "fifth"}
	for i := range len(syncs) - 1 {
		if e, last, err = d.uncoordinated(ctx, syncs[i], syncs[i+1], last); err != nil || len(e.torn()) > 0 {
			return e, err
		}
	}
	return e, nil
}

// uncoordinated ends one sync, and looks at what the next one copies.
func (d *demo) uncoordinated(ctx context.Context, ending, next string, last copied) (examination, copied, error) {
	s := d.story
	if err := d.site.endSync(ctx, ending); err != nil {
		return nil, last, err
	}
	s.tell("VolSync", "the %s sync has ended (no pod runs here: its mover is said to have succeeded)", ending)
	before := d.app.written().now()
	s.command("kubectl", "patch", "replicationsource", "-n", namespace, source, "--type=merge",
		"-p", `{"spec":{"trigger":{"manual":"`+next+`"}}}`)
	if err := d.site.startSync(ctx, next); err != nil {
		return nil, last, err
	}
	c, err := d.site.copy(ctx, last)
	if err != nil {
		return nil, last, err
	}
	after := d.app.written().now()
	s.tell(
		"application",
		"wrote %d entries while the storage copied for %.1f s",
		after.least-before.least,
		c.ended.Sub(c.began).Seconds(),
	)

	s.chapter("Is that copy consistent?")
	e, err := d.app.examine(ctx, next, c.dir, bounds{least: before.least, most: after.most})
	if err != nil {
		return nil, last, err
	}
	e.show(s)
	return e, c, nil
}
