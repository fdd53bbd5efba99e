package step

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// CheckOptions are those of [Group.Check].
type CheckOptions struct {
	UntilCut bool // as the run will have it
	Start    bool // a sync, the same
	Sources  Sources
	Storage  Storage
	Self     Access // of whoever looks
	Account  Access // that the steps will have
	Writes   Claims // of that account
	Pod      Finder // nil: no command is to run in a pod
	Timeout  time.Duration
}

// Sources lists ReplicationSources; [volsync.Objects] is it.
type Sources interface {
	AllSources(ctx context.Context) ([]volsync.Of[handshake.Source], error)
}

// Storage is what check asks of the storage; storage.Storage is it.
type Storage interface {
	Of(ctx context.Context, claim string, by handshake.Source) (handshake.Storage, error)
	TryCopy(ctx context.Context, claim string, by handshake.Source) error
}

// Access tells what an account may do; [kube.Cluster] is it.
type Access interface {
	May(ctx context.Context, r kube.Request) (bool, error)
	WhoAmI(ctx context.Context) string
}

// Finder finds the application's pod; quiesce.InCluster is it.
type Finder interface {
	Find(ctx context.Context) (pods.Target, error)
}

// What check looks at beside the aspects of the protocol.
const (
	AboutVolSync   handshake.Aspect = "volsync"
	AboutQuota     handshake.Aspect = "quota"
	AboutAdmission handshake.Aspect = "admission"
	AboutPod       handshake.Aspect = "pod"
	AboutRights    handshake.Aspect = "rights"
)

// Checked is a finding, with the commands that do something about it.
type Checked struct {
	handshake.Finding
	Claim    string // "" for what all claims share
	Commands []string
}

// Refusals are how many of them a run does not get past.
func Refusals(all []Checked) (n int) {
	for _, c := range all {
		if c.Level == handshake.Refusal {
			n++
		}
	}
	return n
}

// Check looks at everything that would make a run on the claims fail, and changes nothing. An error
// means that it could not look.
func (g Group) Check(ctx context.Context, o CheckOptions) ([]Checked, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	s := g.shared()
	var all []Checked
	err := s.persist(ctx, kube.Passing, func(ctx context.Context) error {
		c := &checking{step: s, options: o}
		err := c.all(ctx, g)
		all = c.found
		return err
	})
	return all, s.unseen(err, "the API server to answer")
}

// checking is a check under way.
type checking struct {
	step    Step // what its members share
	options CheckOptions
	sources []volsync.Of[handshake.Source]
	unread  error // why there are no sources
	found   []Checked
}

// noVolSync is said where the API server does not know VolSync's kinds.
const noVolSync = "VolSync is not installed: the API server does not know replicationsources"

// checkedAtOnce is how many claims are looked at at the same time.
const checkedAtOnce = 16

func (c *checking) all(ctx context.Context, g Group) error {
	if err := c.readSources(ctx); err != nil {
		return err
	}
	each := make([]member, len(g))
	errs := g.eachOf(checkedAtOnce, func(i int, s Step) error {
		each[i] = member{step: s}
		return c.member(ctx, &each[i])
	})
	for _, m := range each {
		c.found = append(c.found, m.found...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := c.pod(ctx); err != nil {
		return err
	}
	return c.rights(ctx, each)
}

// say adds what is found of what all claims share.
func (c *checking) say(f handshake.Finding) {
	c.found = append(c.found, Checked{Finding: f, Commands: c.step.Commands(f.Next)})
}

func (c *checking) readSources(ctx context.Context) error {
	if c.step.ClaimOnly {
		return nil
	}
	c.sources, c.unread = c.options.Sources.AllSources(ctx)
	switch {
	case kube.IsNotFound(c.unread):
		c.found = append(c.found, Checked{Finding: handshake.Finding{
			About: AboutVolSync, Level: handshake.Refusal,
			Why:  noVolSync,
			Hint: "install it, by its Helm chart for example",
		}, Commands: []string{
			"helm repo add backube https://backube.github.io/helm-charts/",
			"helm install --create-namespace -n volsync-system volsync backube/volsync",
		}})
	case kube.IsForbidden(c.unread):
		c.say(handshake.Finding{
			About: AboutVolSync, Level: handshake.NotKnown, Why: "not checked: " + c.unread.Error(),
		})
	case c.unread != nil:
		return c.unread
	default:
		c.say(handshake.Finding{About: AboutVolSync, Why: "the API server knows its objects"})
	}
	return nil
}

// member is a claim that is looked at.
type member struct {
	step  Step
	by    handshake.Source // that copies it; the zero one for not known
	found []Checked
}

func (m *member) say(f handshake.Finding) {
	m.found = append(m.found, Checked{Finding: f, Claim: m.step.Claim, Commands: m.step.Commands(f.Next)})
}

func (m *member) notChecked(about handshake.Aspect, err error) {
	m.say(handshake.Finding{About: about, Level: handshake.NotKnown, Why: "not checked: " + err.Error()})
}

// member looks at one claim.
func (c *checking) member(ctx context.Context, m *member) error {
	st, err := m.step.lookAtClaim(ctx)
	switch {
	case kube.IsNotFound(err):
		m.say(handshake.Finding{
			About: handshake.AboutClaim, Level: handshake.Refusal, Why: "it is not there",
			Hint: "check --pvc and --namespace; what is there", Next: handshake.Move{Kind: handshake.MoveShowClaims},
		})
		return nil
	case kube.IsForbidden(err):
		m.notChecked(handshake.AboutClaim, err)
		return nil
	case err != nil:
		return err
	}
	w := st.observed
	if w.ClaimOnly = c.step.ClaimOnly || c.unread != nil; !w.ClaimOnly {
		for _, s := range c.sources {
			if s.Object.Claim == m.step.Claim {
				w.Sources = append(w.Sources, s.Object)
			}
		}
	}
	if err := c.copying(ctx, m, &w); err != nil {
		return err
	}
	return c.admission(ctx, m)
}

// copying looks at the claim, its one ReplicationSource, and at whether the storage can make its copy.
func (c *checking) copying(ctx context.Context, m *member, w *handshake.Observed) error {
	by, honoured := observation{observed: *w}.copies()
	if !honoured {
		c.findings(m, *w)
		return nil
	}
	m.by = by
	var err error
	if w.Copy, err = m.step.VolSync.Copy(ctx, by); kube.IsForbidden(err) {
		m.notChecked(handshake.AboutCopy, err)
	} else if err != nil {
		return err
	}
	st, err := c.options.Storage.Of(ctx, m.step.Claim, by)
	if err != nil {
		return err
	}
	w.Binding = st.Binding
	c.findings(m, *w)
	can := handshake.CanCopy(by, st)
	m.say(can)
	if can.Level == handshake.Refusal || w.Copy != nil || handshake.NameTooLong(by) {
		return nil
	}
	return c.quota(ctx, m)
}

// findings are those of the protocol.
func (c *checking) findings(m *member, w handshake.Observed) {
	for _, f := range handshake.Findings(w) {
		m.say(f)
	}
	if no := handshake.NoCut(w); c.options.UntilCut && no.Outcome != outcome.OK {
		m.say(handshake.Finding{About: handshake.AboutMethod, Level: handshake.Refusal, Why: no.Why, Hint: no.Hint})
	}
}

// quota tries to make the copy. That is VolSync's to do, so whoever looks need not be allowed to.
func (c *checking) quota(ctx context.Context, m *member) error {
	what := kube.Request{Verb: "create", Resource: "persistentvolumeclaims", Namespace: m.step.Namespace}
	if method, _ := handshake.CopyMethodOf(m.by.Method); method.Snapshot {
		what.Group, what.Resource = "snapshot.storage.k8s.io", "volumesnapshots"
	}
	may, err := c.options.Self.May(ctx, what)
	if err != nil {
		return err
	}
	if !may {
		m.say(handshake.Finding{
			About: AboutQuota, Level: handshake.NotKnown,
			Why: "not checked: who looks may not create " + what.Resource + ", as VolSync may",
		})
		return nil
	}
	switch err := c.options.Storage.TryCopy(ctx, m.step.Claim, m.by); {
	case err == nil:
		m.say(handshake.Finding{About: AboutQuota, Why: "a copy would be accepted (dry run)"})
	case kube.IsForbidden(err), kube.IsInvalid(err), kube.IsBadRequest(err):
		m.say(handshake.Finding{
			About: AboutQuota, Level: handshake.Refusal, Why: "a copy would be refused (dry run): " + err.Error(),
			Hint: "raise the quota, or see what refuses it; the quotas that there are",
			Next: handshake.Move{Kind: handshake.MoveShow, Object: "resourcequotas"},
		})
	case kube.IsConflict(err) || kube.AlreadyExists(err): // VolSync has made it just now
	case kube.Passing(err):
		return err
	default:
		m.notChecked(AboutQuota, err)
	}
	return nil
}

// admission tries the writes that the steps will do, as their account.
func (c *checking) admission(ctx context.Context, m *member) error {
	s := m.step
	s.Claims = c.options.Writes
	err := s.tryToFire(ctx, "check", true)
	f := handshake.Finding{About: AboutAdmission, Why: "trigger and lock would be accepted (dry run)"}
	var other *altered
	switch {
	case err == nil:
	case errors.As(err, &other):
		f.Level, f.Why = handshake.Refusal, err.Error()
		f.Hint, f.Next = other.remedy(), handshake.Move{Kind: handshake.MoveShowMutators}
	case kube.IsBadRequest(err): // await-waiting goes on: a webhook may refuse whatever is only a dry run
		f.Level, f.Why = handshake.Caution, "trigger and lock are refused as a dry run: "+err.Error()
		f.Hint, f.Next = "what may refuse them", handshake.Move{Kind: handshake.MoveShowCluster, Object: refusers}
	case kube.IsForbidden(err):
		may, merr := c.options.Account.May(ctx, c.request("patch", Rights()[0], s.Claim))
		if merr != nil {
			return merr
		}
		if f.Level, f.Why = handshake.NotKnown, "not checked without the right to patch the claim"; may {
			f.Level, f.Why = handshake.Refusal, "trigger and lock would be refused (dry run): "+err.Error()
			f.Hint = "let the account write the two annotations; what may refuse them"
			f.Next = handshake.Move{Kind: handshake.MoveShowCluster, Object: refusers}
		}
	case kube.Passing(err):
		return err
	default:
		f.Level, f.Why = handshake.Refusal, "trigger and lock would be refused (dry run): "+err.Error()
		f.Hint, f.Next = "what may refuse them", handshake.Move{Kind: handshake.MoveShowCluster, Object: refusers}
	}
	m.say(f)
	return nil
}

// refusers are what can refuse a write beside RBAC.
const refusers = "validatingadmissionpolicies,validatingwebhookconfigurations"

// pod looks for the application's pod.
func (c *checking) pod(ctx context.Context) error {
	if c.options.Pod == nil {
		return nil
	}
	t, err := c.options.Pod.Find(ctx)
	f := handshake.Finding{About: AboutPod, Why: "commands would run in " + t.String()}
	var notOne *pods.NotOne
	switch {
	case err == nil:
	case errors.As(err, &notOne):
		f = handshake.Finding{
			About: AboutPod, Level: handshake.Refusal, Why: err.Error(), Hint: notOne.Next + "; what is there",
			Next: handshake.Move{Kind: handshake.MoveShowPods, Labels: notOne.Seen},
		}
	case kube.IsForbidden(err):
		f.Level, f.Why = handshake.NotKnown, "not checked: "+err.Error()
	default:
		return err
	}
	c.say(f)
	return nil
}

func (c *checking) request(verb string, r Right, name string) kube.Request {
	return kube.Request{Verb: verb, Group: r.Group, Resource: r.Resource, Namespace: c.step.Namespace, Name: name}
}

// names are those of the objects that a right has to be for; [""] for any.
func (c *checking) names(r Right, each []member) (names []string) {
	for _, m := range each {
		method, known := handshake.CopyMethodOf(m.by.Method)
		switch {
		case r.Names == AnyName:
			return []string{""}
		case r.Names == ClaimNames:
			names = append(names, m.step.Claim)
		case r.Names == SourceNames:
			if m.by.Name != "" {
				names = append(names, m.by.Name)
			}
		case known && method.Snapshot == (r.Use == OfSnapshots):
			names = append(names, handshake.CopyName(m.by))
		}
	}
	return names
}

// rights asks for every right of the account.
func (c *checking) rights(ctx context.Context, each []member) error {
	var have []string
	missing, who := false, c.options.Account.WhoAmI(ctx)
	for _, r := range Rights() {
		if !c.needs(r) {
			continue
		}
		names := c.names(r, each)
		lacks, err := c.lacks(ctx, r, names)
		switch {
		case err != nil:
			return err
		case len(names) == 0:
		case len(lacks.verbs) == 0:
			have = append(have, strings.Join(r.Verbs, ", ")+" "+r.Resource)
		case r.Use == OfCleanup, r.Use == OfEvents:
			c.say(handshake.Finding{About: AboutRights, Why: fmt.Sprintf("%s may not %s %s; that is only for %s",
				account(who), strings.Join(lacks.verbs, ", "), r.Resource, r.For)})
		default:
			missing = true
			c.sayLacks(who, r, lacks)
		}
	}
	if !missing {
		c.say(handshake.Finding{About: AboutRights, Why: account(who) + " may " + strings.Join(have, "; ")})
	}
	return nil
}

// needs reports whether the run needs the right.
func (c *checking) needs(r Right) bool {
	switch r.Use {
	case InPods:
		return c.options.Pod != nil
	case WithVolSync:
		return !c.step.ClaimOnly
	case WithSelector:
		return c.step.Selector != ""
	case ToStartSync:
		return c.options.Start
	case OfRestores: // no step of a run
		return false
	}
	return true
}

// lack is what an account may not do of a [Right].
type lack struct{ verbs, names []string }

// lacks asks for all names at once, and where that is denied for each.
func (c *checking) lacks(ctx context.Context, r Right, names []string) (l lack, err error) {
	for _, verb := range r.Verbs {
		denied, err := c.denied(ctx, verb, r, names)
		if err != nil {
			return l, err
		}
		if len(denied) > 0 {
			l.verbs = append(l.verbs, verb)
			l.names = append(l.names, without(denied, l.names)...)
		}
	}
	return l, nil
}

func (c *checking) denied(ctx context.Context, verb string, r Right, names []string) (denied []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	all, err := c.options.Account.May(ctx, c.request(verb, r, ""))
	if err != nil || all {
		return nil, err
	}
	for _, name := range names {
		may := false
		if name != "" {
			if may, err = c.options.Account.May(ctx, c.request(verb, r, name)); err != nil {
				return nil, err
			}
		}
		if !may {
			denied = append(denied, name)
		}
	}
	return denied, nil
}

// sayLacks says what a right is for, and grants it.
func (c *checking) sayLacks(who string, r Right, l lack) {
	of := r.Resource
	if r.Group != "" {
		of += "." + r.Group
	}
	named := ""
	if l.names[0] != "" {
		named = " " + strings.Join(some(l.names), ", ")
	}
	c.found = append(c.found, Checked{Finding: handshake.Finding{
		About: AboutRights, Level: handshake.Refusal,
		Why:  fmt.Sprintf("%s may not %s %s%s: that is for %s", account(who), strings.Join(l.verbs, ", "), of, named, r.For),
		Hint: "an administrator grants it",
	}, Commands: c.step.grant(who, r.Resource, of, l)})
}

func account(who string) string {
	if who == "" {
		return "the account"
	}
	return who
}

// grant are the commands that give an account what it lacks.
func (s Step) grant(who, resource, of string, l lack) []string {
	name := "copytrigger-" + strings.ReplaceAll(resource, "/", "-")
	role := []string{"kubectl", "create", "role", name, "-n", s.Namespace, "--verb=" + strings.Join(l.verbs, ","),
		"--resource=" + of}
	for _, n := range l.names {
		if n != "" {
			role = append(role, "--resource-name="+n)
		}
	}
	if l.names[0] != "" {
		name += "-" + l.names[0]
		role[3] = name
	}
	subject := "--user=" + who
	if sa, is := strings.CutPrefix(who, "system:serviceaccount:"); is {
		subject = "--serviceaccount=" + sa
	}
	binding := []string{"kubectl", "create", "rolebinding", name, "-n", s.Namespace, "--role=" + name, subject}
	if who == "" {
		return []string{s.commandLine(role...)}
	}
	return []string{s.commandLine(role...), s.commandLine(binding...)}
}
