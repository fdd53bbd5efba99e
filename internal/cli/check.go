package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pvc"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/storage"
	"github.com/copytrigger/copytrigger/internal/volsync"
)

// checkCommand says before anything is frozen what would go wrong.
func (m *program) checkCommand() command {
	f := &checkFlags{}
	return command{
		name:    "check",
		usage:   "look at everything that would make a run fail, and write nothing",
		example: "copytrigger check -n app --pvc data --as system:serviceaccount:app:copytrigger",
		description: "Looks at the claims, at the ReplicationSource and the copy of each, at the storage, at quotas,\n" +
			"at admission, at the application's pod (--in-pod), and asks for every right. Beside what only\n" +
			"reads, it sends dry runs, of the copy and of trigger and lock, and access reviews: the cluster\n" +
			"keeps none of them. No command is run in a pod.\n\n" +
			"Exits with 0, or with 3 where a run would be refused, or wait for what does not come by itself:\n" +
			"each such finding has its meaning and the command that does something about it. A result is ok,\n" +
			"warning (a run goes on, and may not end well), unknown (who looks may not see it) or refused.\n\n" +
			"The rights are those of the account of --as, for which one needs the right to impersonate it;\n" +
			"everything else is looked at as oneself." + claimArgsHelp,
		args:   claimArgs,
		flags:  f,
		action: m.looking(f, func(ctx context.Context, s step.Step, v string) error { return f.run(ctx, s, m, v) }),
	}
}

type checkFlags struct {
	claimFlags
	claimOnlyFlags
	untilFlags
	inPodFlags
	start bool // as that of await-waiting
	as    string
	timeoutFlags
	formatFlags
}

func (f *checkFlags) flags() []cli.Flag {
	return slices.Concat(
		f.claimFlags.which(),
		f.whichCluster("claim"),
		[]cli.Flag{text(&f.as, "as", "ask for the rights of `USER`, the account that will run the steps: "+
			"system:serviceaccount:NAMESPACE:NAME")},
		f.inPodFlags.flags(),
		f.untilFlags.flags("cut or completed, as the run will have it"),
		[]cli.Flag{boolean(&f.start, "start-sync", "as the run will have it: ask for the right of rbac/start-sync, too")},
		f.claimOnlyFlags.flags(),
		f.timeoutFlags.flags(time.Minute, "give up after `DURATION`"),
		f.formatFlags.flags("json", "yaml"),
		f.logFlags.flags(),
	)
}

func (f *checkFlags) check(c *cli.Context) error {
	return cmp.Or(
		f.claimFlags.check(c),
		f.timeoutFlags.check(c),
		f.untilFlags.check(c),
		f.mayLookAtCopy(f.untilCut()),
		mayStart(f.start, f.claimOnlyFlags),
		f.inPodFlags.check(c),
		f.formatFlags.check("json", "yaml"),
	)
}

func (f *checkFlags) options(m *program, s step.Step, version string) (step.CheckOptions, error) {
	self := f.connected
	account := self
	if f.as != "" {
		where := f.where(version)
		where.As = f.as
		var err error
		if account, err = kube.Connect(where); err != nil {
			return step.CheckOptions{}, usageError{err, "check --kubeconfig and --context"}
		}
	}
	o := step.CheckOptions{
		UntilCut: f.untilCut(), Start: f.start, Timeout: f.timeout, Self: self, Account: account,
		Sources: volsync.In(self.Dynamic, self.Metadata, s.Namespace, "copytrigger"),
		Storage: storage.In(self.Dynamic, s.Namespace),
		Writes:  pvc.In(account.Metadata, s.Namespace, "copytrigger"),
	}
	if f.inPod {
		o.Pod = f.in(m, &f.clusterFlags, s, nil).Cluster
	}
	return o, nil
}

func (f *checkFlags) run(ctx context.Context, s step.Step, m *program, version string) error {
	s.ClaimOnly = f.claimOnly
	s, err := f.selected(ctx, s, step.SelectOptions{Purpose: step.ToLook, Timeout: f.timeout})
	o, oerr := f.options(m, s, version)
	if oerr != nil {
		return oerr
	}
	var found []step.Checked
	if err == nil {
		found, err = s.Members().Check(ctx, o)
	}
	if n := step.Refusals(found); err == nil && n > 0 {
		err = &outcome.Ending{
			Outcome: outcome.Refused, Why: fmt.Sprintf("%s: a run would be refused, or not begin: %d of %d checks say why",
				about(s), n, len(found)),
			Hint: "each has what to do about it in what is printed",
		}
	}
	if perr := m.printed(func(w io.Writer) error { return f.show(w, s, found, err) }); perr != nil {
		return join(err, perr)
	}
	return err
}

// about names the claims.
func about(s step.Step) string {
	if len(s.Group) > 1 {
		return fmt.Sprintf("%d PVCs of namespace %s", len(s.Group), s.Namespace)
	}
	return "PVC " + s.Namespace + "/" + s.Claim
}

// checkedJSON is one check as JSON.
type checkedJSON struct {
	PVC      string   `json:"pvc"` // "" for what all claims share
	Check    string   `json:"check"`
	Result   string   `json:"result"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint"`
	Commands []string `json:"commands"`
}

// checksJSON is what check prints as JSON.
type checksJSON struct {
	Outcome string        `json:"outcome"`
	Reason  string        `json:"reason"`
	Checks  []checkedJSON `json:"checks"`
}

func (f *checkFlags) show(w io.Writer, s step.Step, found []step.Checked, err error) error {
	if f.output != "" {
		return f.encode(w, checksAsJSON(s, found, err))
	}
	if len(found) == 0 {
		return nil
	}
	t, rows := newTable("PVC", "CHECK", "RESULT", "MESSAGE"), [][]string{}
	for _, c := range found {
		rows = append(rows, []string{cmp.Or(c.Claim, "*"), string(c.About), c.Level.String(), c.Why})
	}
	if err := t.write(w, true, rows...); err != nil {
		return err
	}
	_, err = io.WriteString(w, toDo(found))
	return err
}

func checksAsJSON(s step.Step, found []step.Checked, err error) checksJSON {
	v := claimValues(s)
	setOutcome(&v, err)
	object := checksJSON{Checks: []checkedJSON{}}
	object.Outcome, _ = v.Get("outcome").(string)
	object.Reason, _ = v.Get("reason").(string)
	for _, c := range found {
		j := checkedJSON{
			Check: string(c.About), Result: c.Level.String(), Message: c.Why, Hint: c.Hint,
			Commands: append([]string{}, c.Commands...),
		}
		if c.Claim != "" {
			j.PVC = s.Namespace + "/" + c.Claim
		}
		object.Checks = append(object.Checks, j)
	}
	return object
}

// toDo is what to do about each finding, its commands on lines of their own.
func toDo(found []step.Checked) string {
	var b strings.Builder
	for _, c := range found {
		if c.Level == handshake.Fine || c.Hint == "" && c.Commands == nil {
			continue
		}
		what := string(c.About)
		if c.Claim != "" {
			what = c.Claim + ", " + what
		}
		end := "."
		if c.Commands != nil {
			end = ":"
		}
		fmt.Fprintf(&b, "\n%s: %s%s\n", what, cmp.Or(oneLine(c.Hint), "to change that"), end)
		for _, command := range c.Commands {
			fmt.Fprintf(&b, "  %s\n", command)
		}
	}
	return b.String()
}
