package chaos

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Record is a trigger that VolSync recorded.
type Record struct {
	Trigger string
	Version uint64 // of the claim
}

// Copy is a copy that VolSync made.
type Copy struct {
	UID     string
	Version uint64   // that it was seen with first: etcd counts all changes, so it tells what came before what
	Marks   []string // what the application's files say in it; nil until they were read
	Err     error    // why they could not be read
}

// Ledger is what the claim and the storage went through, read with an administrator's eyes.
type Ledger struct {
	site     *harness.Site
	timeline *Timeline
	method   string
	fired    func(run string, version uint64) // hears of each trigger
	stop     func()

	mu      sync.Mutex
	now     map[string]string // the claim's annotations
	records []Record
	locks   map[string]time.Time // of each run, when it first had the lock
	copies  []Copy
	stages  map[string]bool // of copies, which were told
	reading sync.WaitGroup
}

// claims, snapshots and sources are what VolSync's copies are about.
func claims() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
}

func snapshots() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "snapshot.storage.k8s.io", Version: "v1", Resource: "volumesnapshots"}
}

func sources() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "volsync.backube", Version: "v1alpha1", Resource: "replicationsources"}
}

// Keep starts a ledger.
func Keep(s *harness.Site, t *Timeline, method string, fired func(run string, version uint64)) *Ledger {
	ctx, cancel := context.WithCancel(s.Ctx)
	l := &Ledger{
		site: s, timeline: t, method: method, fired: fired,
		now: map[string]string{}, locks: map[string]time.Time{}, stages: map[string]bool{},
	}
	var running sync.WaitGroup
	for _, r := range []schema.GroupVersionResource{claims(), snapshots()} {
		running.Go(func() {
			for ctx.Err() == nil {
				l.follow(ctx, r)
			}
		})
	}
	l.stop = func() { cancel(); running.Wait(); l.reading.Wait() }
	return l
}

func (l *Ledger) follow(ctx context.Context, r schema.GroupVersionResource) {
	w, err := l.site.Dynamic().Resource(r).Namespace(l.site.Namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
		return
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error {
			return
		}
		switch {
		case r == claims() && o.GetName() == harness.Claim:
			l.claim(o)
		case o.GetName() == harness.CopyName && (r == snapshots() || l.method == "Clone"):
			l.copy(ctx, e.Type, o)
		}
	}
}

// claim notes what has changed on the claim.
func (l *Ledger) claim(o *unstructured.Unstructured) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := o.GetAnnotations()
	for _, key := range []string{harness.Trigger, harness.Latest, harness.Status, harness.LockedBy} {
		was, is := l.now[key], a[key]
		if was == is {
			continue
		}
		l.now[key] = is
		name := key[strings.Index(key, "/")+1:]
		at := l.timeline.Mark(l.key(key, is), "claim", "%s: %q → %q", name, was, is)
		switch {
		case key == harness.Trigger && is != "" && is != a[harness.Latest]:
			l.fired(runOf(is), version(o))
		case key == harness.Latest:
			l.records = append(l.records, Record{is, version(o)})
		case key == harness.LockedBy && l.locks[runOf(is)].IsZero():
			l.locks[runOf(is)] = at
		}
	}
}

// status is what VolSync says that it does.
func (l *Ledger) status() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now[harness.Status]
}

// version is the number of an object's last change.
func version(o metav1.Object) uint64 {
	n, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	return n
}

// key is what a plan may wait for: the change of an annotation.
func (l *Ledger) key(annotation, value string) string {
	switch {
	case annotation == harness.Status && value == harness.InProgress:
		return "copying " + base(runOf(l.now[harness.Trigger]))
	case annotation == harness.Status && value == harness.Waiting:
		return "waited"
	case value == "":
		return ""
	}
	switch annotation {
	case harness.Trigger:
		return "fired " + base(runOf(value))
	case harness.Latest:
		return "recorded " + base(runOf(value))
	case harness.LockedBy:
		return "locked " + base(runOf(value))
	}
	return ""
}

// runOf is the run of a trigger, or of a lock.
func runOf(value string) string {
	run, _, _ := strings.Cut(value, "/")
	if i := strings.LastIndex(run, "."); i >= 0 {
		run = run[:i]
	}
	return run
}

// base is the run that an actor was planned for: it may be tried as another.
func base(run string) string {
	run, _, _ = strings.Cut(run, "-")
	return run
}

// copy notes how far a copy is, and reads it when it is made.
func (l *Ledger) copy(ctx context.Context, event watch.EventType, o *unstructured.Unstructured) {
	l.mu.Lock()
	defer l.mu.Unlock()
	uid := string(o.GetUID())
	short := uid[:8]
	if l.find(uid) == nil {
		l.timeline.Add("copy", "%s is there", short)
		l.copies = append(l.copies, Copy{UID: uid, Version: version(o)})
	}
	if event == watch.Deleted {
		l.timeline.Add("copy", "%s is gone", short)
		return
	}
	cut, _, _ := unstructured.NestedString(o.Object, "status", "creationTime")
	ready, _, _ := unstructured.NestedBool(o.Object, "status", "readyToUse")
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	ready = ready || phase == "Bound"
	if cut != "" && l.first(uid+" cut") {
		l.timeline.Mark("cut "+base(runOf(l.now[harness.Trigger])), "copy", "%s is cut", short)
	}
	if ready && l.first(uid+" ready") {
		l.timeline.Add("copy", "%s is ready", short)
		l.reading.Go(func() { l.read(context.WithoutCancel(ctx), uid) })
	}
}

func (l *Ledger) first(stage string) bool {
	was := l.stages[stage]
	l.stages[stage] = true
	return !was
}

func (l *Ledger) find(uid string) *Copy {
	for i := range l.copies {
		if l.copies[i].UID == uid {
			return &l.copies[i]
		}
	}
	return nil
}

// read reads the application's marks in the copy: VolSync keeps it until its mover has ended.
func (l *Ledger) read(ctx context.Context, uid string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	find := l.site.Cluster().SnapshotDir
	if l.method == "Clone" {
		find = l.site.Cluster().VolumeDir
	}
	dir, err := find(ctx, l.site.Namespace, harness.CopyName)
	var found []string
	for _, name := range marks {
		if err != nil {
			break
		}
		var text []byte
		text, err = os.ReadFile(filepath.Join(dir, name))
		found = append(found, strings.TrimSpace(string(text)))
	}
	l.timeline.Add("copy", "%s says %q (%v)", uid[:8], found, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.find(uid)
	c.Marks, c.Err = found, err
}

// into adds what the ledger has to the facts.
func (l *Ledger) into(f *Facts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Records, f.Copies, f.Locks = l.records, l.copies, l.locks
}
