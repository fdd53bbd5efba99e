package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Waits that no plan says.
const (
	patience = 12 * time.Second // for an event that a plan waits for, while something runs
	silence  = time.Second      // without a process: then no more events come
	ending   = 5 * time.Minute  // for all processes to end: no limit of theirs is half as long
	settling = 500 * time.Millisecond
)

// coordination is one plan being carried out.
type coordination struct {
	campaign *Campaign
	plan     Plan
	site     *harness.Site
	timeline *Timeline
	ledger   *Ledger
	app      *Application
	files    files
	over     chan struct{} // closed when all actors have ended

	mu        sync.Mutex
	processes []Process
	alive     map[string]int         // processes of each run
	last      map[string]uint64      // the claim's version when the last one of a run had ended
	looks     map[string][]time.Time // at the claim, of each actor, that were answered
	running   int                    // processes of all
	quiet     time.Time              // when the last of them ended
	armed     []Left
	lastWrite time.Time // when the last late write reaches the server
}

// Coordinate carries out a plan with a program, and judges it.
func (c *Campaign) Coordinate(s *harness.Site, p Plan, program string) Verdict {
	x := &coordination{
		campaign: c, plan: p, site: s, timeline: NewTimeline(), over: make(chan struct{}),
		alive: map[string]int{}, last: map[string]uint64{}, looks: map[string][]time.Time{},
	}
	defer c.watchOver(x.timeline)()
	var err error
	x.files, err = newFiles(s.TempDir(), program)
	s.Must(err)
	x.app, err = StartApplication(x.timeline, s.VolumeDir(), p)
	s.Must(err)
	defer x.app.Stop()
	x.ledger = Keep(s, x.timeline, p.Method, x.fired)
	s.Replicate(x.source())
	ctx, cancel := context.WithCancel(s.Ctx)
	var beside sync.WaitGroup
	if p.coordinators() > 1 {
		beside.Go(func() { x.syncAgain(ctx) })
	}
	for _, k := range p.Kills {
		beside.Go(func() { x.kill(k) })
	}
	hangs := x.play()
	close(x.over)
	cancel()
	beside.Wait()
	return x.settle(hangs)
}

func (x *coordination) source() harness.Source {
	if x.plan.Method == "Clone" {
		return harness.Source{Method: "Clone", StorageClass: x.plan.Storage}
	}
	return harness.Source{SnapshotClass: x.plan.Storage}
}

// play lets all actors play, and returns those that do not end.
func (x *coordination) play() (hangs []string) {
	var mu sync.Mutex
	var playing sync.WaitGroup
	for _, a := range x.plan.Actors {
		playing.Go(func() {
			if !x.act(a) {
				mu.Lock()
				defer mu.Unlock()
				hangs = append(hangs, a.Name)
			}
		})
	}
	playing.Wait()
	return hangs
}

// at returns when the moment has come, or cannot come any more.
func (x *coordination) at(w When) {
	if w.After != "" {
		ctx, cancel := context.WithTimeout(x.site.Ctx, patience)
		defer cancel()
		go func() {
			defer cancel()
			look := time.NewTicker(100 * time.Millisecond)
			defer look.Stop()
			for ctx.Err() == nil && !x.silent() {
				<-look.C
			}
		}()
		x.timeline.Await(w.After, ctx.Done())
	}
	time.Sleep(w.Delay)
}

// silent reports whether there have been processes, and for a while there has been none.
func (x *coordination) silent() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.running == 0 && !x.quiet.IsZero() && time.Since(x.quiet) > silence
}

// act plays an actor: as another run, if the one before was refused, as often as it is to. It
// reports whether all of them ended.
func (x *coordination) act(a Actor) bool {
	x.at(a.Start)
	if a.Form == Stranger {
		x.annotate()
		return true
	}
	site, proxy := x.site.Proxied()
	sky := newSky(a.Weather, a.Name, x.timeline, func(fault string) { x.campaign.count("faults", fault) })
	proxy.Decide(func(r harness.Request) harness.Fate {
		fate := sky.decide(r)
		x.asks(a.Name, r, fate)
		return fate
	})
	ended := make(chan struct{})
	var beside sync.WaitGroup
	defer beside.Wait()
	defer close(ended)
	if o := a.Weather.Outage; o.Length > 0 {
		beside.Go(func() {
			x.at(o.When)
			select {
			case <-ended:
			default:
				sky.outage(proxy, ended)
			}
		})
	}
	for try := 1; try <= a.Tries; try++ {
		run := a.Run
		if try > 1 {
			run = fmt.Sprintf("%s-%d", a.Run, try)
			time.Sleep(700 * time.Millisecond)
		}
		p, ok := x.run(a, run, site.Kubeconfig)
		if !ok {
			return false
		}
		if p.Code != harness.Refused && p.Code != harness.TimedOut {
			break
		}
	}
	return true
}

// run runs an actor's process to its end, and signals it meanwhile.
func (x *coordination) run(a Actor, run, kubeconfig string) (Process, bool) {
	hold := false
	for _, other := range x.plan.Actors {
		hold = hold || other.Form == Hold && other.Run == base(run)
	}
	env := append(a.environment(x.files, run, x.app.Port(), hold), "KUBECONFIG="+kubeconfig)
	args := a.arguments(x.files, run, hold)
	if args[0] != "bash" {
		args = append(args, "--pvc", harness.Claim)
	}
	x.begin(run, +1)
	p, err := start(x.timeline, a.Name, args, env, x.files)
	x.site.Must(err)
	x.timeline.Mark("began "+a.Name, a.Name, "(began)")
	for _, s := range a.Signals {
		go x.signal(p, s)
	}
	var heeding sync.WaitGroup
	heeding.Go(func() { x.heed(p, a, run, 1) })
	hangs := false
	select {
	case <-p.ended:
	case <-time.After(ending):
		hangs = true
		x.timeline.Add(a.Name, "HANGS")
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
	heeding.Wait()
	each(p.cmd.Process.Pid, "", syscall.SIGKILL) // what it has left
	f := p.facts(run, a.Form)
	x.mu.Lock()
	x.processes = append(x.processes, f)
	x.mu.Unlock()
	x.begin(run, -1)
	x.campaign.count("endings", fmt.Sprintf("%s\t%s", a.Form, ends(f)))
	return f, !hangs
}

// heed runs the command that a cleanup prints for who knows that no process of the run lives but
// the cleanup, as soon as that is so: unless the plan has somebody who waits instead. It returns
// when the cleanup has ended, or that command has.
func (x *coordination) heed(p *process, a Actor, run string, alive int) {
	if x.plan.Patient {
		<-p.ended
		return
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	var advice string
	for advice == "" || x.lives(run) > alive {
		select {
		case advice = <-p.advice:
		case <-look.C:
		case <-p.ended:
			return
		}
	}
	x.campaign.count("totals", "unlocked by who knew that all was dead")
	env := append(a.environment(x.files, run, x.app.Port(), false), "KUBECONFIG="+x.site.Kubeconfig)
	unlock, err := start(x.timeline, p.name+"-too", []string{"bash", "-c", advice}, env, x.files)
	x.site.Must(err)
	<-unlock.ended
}

func (x *coordination) lives(run string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.alive[run]
}

func ends(p Process) string {
	if p.Killed {
		return "killed"
	}
	return fmt.Sprint(p.Code)
}

// begin counts the processes of a run. When the last one has ended, nothing of it may be armed:
// VolSync could take it at any time from then on.
func (x *coordination) begin(run string, more int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running += more
	if x.running == 0 {
		x.quiet = time.Now()
	}
	if x.alive[run] += more; x.alive[run] > 0 {
		return
	}
	claim, err := x.site.Kube().CoreV1().PersistentVolumeClaims(x.site.Namespace).
		Get(x.site.Ctx, harness.Claim, metav1.GetOptions{})
	x.site.Must(err)
	x.last[run] = version(claim)
	if armedBy(claim.Annotations) == run {
		at := x.timeline.Add("claim", "the trigger of %s is armed, and no process of it is left", run)
		x.armed = append(x.armed, Left{run, at})
	}
}

// fired hears of each trigger that is set. One that is set when its run has ended is set by a
// write that came late, and armed, also if VolSync takes it at once.
func (x *coordination) fired(run string, version uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ran, is := x.alive[run]; is && ran == 0 && version > x.last[run] {
		x.armed = append(x.armed, Left{run, time.Now()})
	}
}

// armedBy is the run whose trigger is armed; "" for none.
func armedBy(annotations map[string]string) string {
	if t := annotations[harness.Trigger]; t != "" && t != annotations[harness.Latest] {
		return runOf(t)
	}
	return ""
}

// asks hears of each request, and of what becomes of it.
func (x *coordination) asks(actor string, r harness.Request, fate harness.Fate) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := time.Now().Add(fate.Before)
	if r.Verb == "patch" && fate.Before > 0 && at.After(x.lastWrite) {
		x.lastWrite = at
	}
	answered := !fate.DropBefore && !fate.DropAfter && fate.Status == nil
	if answered && (r == harness.GetClaim || r == harness.Write) {
		x.looks[actor] = append(x.looks[actor], at)
	}
}

// thaws are the freezes that were ended, and how old what was known then was. The caller holds mu.
func (x *coordination) thaws() []Thaw {
	thaws := x.app.Thaws()
	for i, t := range thaws {
		for _, look := range x.looks[t.Actor] {
			if look.Before(t.Began) && look.After(t.Looked) {
				thaws[i].Looked, t.Looked = look, look
			}
		}
	}
	return thaws
}

// signal sends a signal when its moment has come, unless the process has ended.
func (x *coordination) signal(p *process, s Signal) {
	x.at(s.When)
	select {
	case <-p.ended:
		return
	default:
	}
	if s.Step {
		x.timeline.Add(p.name, "        the step is killed")
		x.campaign.count("signals", "killed, a step alone")
		p.killStep()
		return
	}
	x.timeline.Add(p.name, "        %s", s.Signal)
	x.campaign.count("signals", s.Signal.String())
	p.signal(s.Signal)
	if s.Stopped > 0 {
		time.Sleep(s.Stopped)
		x.timeline.Add(p.name, "        goes on")
		p.signal(syscall.SIGCONT)
	}
}

// annotate is kubectl annotate --overwrite, by somebody who knows of nobody.
func (x *coordination) annotate() {
	x.timeline.Add("stranger", "sets copy-trigger")
	x.site.Annotate(harness.Trigger, "stranger")
}

// kill kills VolSync's manager, and starts it again.
func (x *coordination) kill(k Kill) {
	x.at(k.When)
	select {
	case <-x.over:
		return
	default:
	}
	x.campaign.count("faults", "VolSync killed")
	x.site.Must(x.campaign.killVolSync(x.site, k.Down))
}

// syncAgain lets VolSync's mover end, and asks for another sync, as long as it is let.
func (x *coordination) syncAgain(ctx context.Context) {
	look := time.NewTicker(300 * time.Millisecond)
	defer look.Stop()
	for n := 2; ; {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if x.ledger.status() != harness.Completed {
			continue // no mover can run before its volume is there
		}
		jobs, err := x.site.Kube().BatchV1().Jobs(x.site.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(jobs.Items) == 0 || jobs.Items[0].DeletionTimestamp != nil {
			continue
		}
		if x.site.Cluster().CompleteJob(ctx, x.site.Namespace, jobs.Items[0].Name) != nil || !x.idle(ctx, look) {
			return
		}
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"trigger": map[string]any{
			"manual": fmt.Sprint("sync-", n),
		}}})
		x.site.Must(err)
		x.timeline.Add("volsync", "the mover has ended; sync %d is asked for", n)
		_, _ = x.site.Dynamic().Resource(sources()).Namespace(x.site.Namespace).
			Patch(ctx, harness.Nightly, types.MergePatchType, patch, metav1.PatchOptions{})
		n++
	}
}

// idle waits until no sync is running.
func (x *coordination) idle(ctx context.Context, look *time.Ticker) bool {
	for {
		o, err := x.site.Dynamic().Resource(sources()).Namespace(x.site.Namespace).
			Get(ctx, harness.Nightly, metav1.GetOptions{})
		if err == nil {
			if began, _, _ := unstructured.NestedString(o.Object, "status", "lastSyncStartTime"); began == "" {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
}

// settle waits until nothing is under way, judges, and has what was told cleaned up.
func (x *coordination) settle(hangs []string) Verdict {
	time.Sleep(max(settling, time.Until(x.lastWrite)+settling))
	a := x.site.Annotations()
	x.mu.Lock()
	f := Facts{
		Processes: x.processes, Thaws: x.thaws(), Armed: x.armed, At: time.Now(),
		FrozenBy: x.app.FrozenBy(), LockedBy: runOf(a[harness.LockedBy]),
	}
	x.mu.Unlock()
	if run := armedBy(a); run != "" && run != "stranger" {
		f.Armed = append(f.Armed, Left{run, f.At})
	}
	x.timeline.Add("", "all has settled: armed %q, frozen %q, locked %q", armedBy(a), f.FrozenBy, f.LockedBy)
	left := map[string]bool{f.FrozenBy: true, f.LockedBy: true, armedBy(a): true}
	delete(left, "")
	delete(left, "stranger")
	for run := range left {
		x.cleanUp(run)
	}
	a = x.site.Annotations()
	x.ledger.stop()
	x.ledger.into(&f)
	found, late := Judge(f)
	for _, name := range hangs {
		found = append(found, Finding{Hangs, name + " had not ended after " + ending.String()})
	}
	for what, run := range map[string]string{
		"armed": armedBy(a), "frozen": x.app.FrozenBy(), "locked": runOf(a[harness.LockedBy]),
	} {
		if run != "" && run != "stranger" {
			found = append(found, Finding{Uncleaned, "after a cleanup by hand it is still " + what + " by " + run})
		}
	}
	return Verdict{Plan: x.plan, Found: found, Late: late, Cleaned: len(left), story: x.timeline, processes: f.Processes}
}

// cleanUp is what whoever was told does, with a connection and commands that do not fail.
func (x *coordination) cleanUp(run string) {
	a := Actor{Name: "operator", Run: run, Form: Cleanup, Limits: Limits{Unquiesce: 10 * time.Second}}
	args := append(a.arguments(x.files, run, false), "--pvc", harness.Claim)
	p, err := start(x.timeline, a.Name, args,
		append(a.environment(x.files, run, x.app.Port(), false), "KUBECONFIG="+x.site.Kubeconfig), x.files)
	x.site.Must(err)
	x.heed(p, a, run, 0)
	<-p.ended
}

// Verdict is what is found of a coordination.
type Verdict struct {
	Plan    Plan
	Found   []Finding
	Late    int // copies spoilt by a command that nobody could call back
	Cleaned int // runs that were cleaned up at last

	story     *Timeline
	processes []Process
}

// Good reports whether the copy of some run was good.
func (v Verdict) Good() bool {
	for _, p := range v.processes {
		if p.Form.Coordinates() && p.Code == 0 {
			return true
		}
	}
	return false
}

// Has reports whether that kind was found.
func (v Verdict) Has(k Kind) bool {
	for _, f := range v.Found {
		if f.Kind == k {
			return true
		}
	}
	return false
}

// Story is the plan, what happened, what was found, and how to have it again.
func (v Verdict) Story() string {
	var b strings.Builder
	b.WriteString(v.Plan.String() + v.story.String())
	for _, f := range v.Found {
		b.WriteString(f.String() + "\n")
	}
	fmt.Fprintf(&b, "again: CHAOS_SEED=%d CHAOS_ONLY=%d make chaos\n", v.Plan.Seed, v.Plan.Number)
	return b.String()
}
