package step

import (
	"context"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// restores is an API server with what check-restore looks at. Of its own accord it does nothing: a test
// says what VolSync and the controllers do after each request.
type restores struct {
	t       *testing.T
	from    handshake.RestoreFrom
	check   handshake.CheckTemplate
	dest    *handshake.Destination
	scratch *handshake.Owned
	job     *handshake.CheckJob
	denied  string // a verb and a resource
	stays   bool   // what is deleted stays
	deleted []string

	signal func()                     // SIGTERM
	before func(request string) error // a fault: the request is not done
	after  func(request string) error // a fault: it is done, and the reply is lost
}

func (r *restores) do(ctx context.Context, request string, f func() error) error {
	for _, step := range []func() error{
		ctx.Err, func() error { return r.fault(r.before, request) }, f, func() error { return r.fault(r.after, request) },
	} {
		if err := step(); err != nil {
			return &kube.Error{Request: kube.Request{Verb: request, Namespace: namespace}, Err: err}
		}
	}
	return nil
}

func (r *restores) fault(f func(string) error, request string) error {
	if f == nil {
		return nil
	}
	return f(request)
}

func (r *restores) RestoreSources(context.Context) ([]handshake.RestoreFrom, error) {
	return []handshake.RestoreFrom{r.from}, nil
}

func (r *restores) Shape(context.Context, string) (handshake.Shape, error) {
	return handshake.Shape{Capacity: "1Gi"}, nil
}

func (r *restores) Destination(ctx context.Context, _ string) (d *handshake.Destination, err error) {
	err = r.do(ctx, "get", func() error {
		if r.dest != nil {
			copied := *r.dest
			d = &copied
		}
		return nil
	})
	return d, err
}

func exists(name string) error { return apierrors.NewAlreadyExists(schema.GroupResource{}, name) }

func (r *restores) MakeDestination(
	ctx context.Context, d handshake.Destination, _ map[string]any,
) (made *handshake.Destination, err error) {
	err = r.do(ctx, "make", func() error {
		if r.dest != nil {
			return exists(d.Name)
		}
		d.UID = "dest-" + d.Run
		made = &d
		copied := d
		copied.LastManual, copied.Result, copied.Proof = d.Run, "Successful", "restoring"
		r.dest = &copied
		r.scratch = &handshake.Owned{Kind: "pvc", Name: "volsync-rs-restored-dest", Owner: d.UID, OwnerName: d.Name}
		return nil
	})
	return made, err
}

func (r *restores) DeleteDestination(ctx context.Context, _, uid string) error {
	return r.do(ctx, "delete", func() error {
		if r.dest != nil && r.dest.UID == uid {
			r.deleted = append(r.deleted, uid)
			if !r.stays {
				r.dest, r.scratch, r.job = nil, nil, nil
			}
		}
		return nil
	})
}

func (r *restores) FollowDestination(ctx context.Context, _ string, changed func(), _ kube.Trouble) error {
	changed()
	<-ctx.Done()
	return nil
}

func (r *restores) Scratch(context.Context, string) (*handshake.Owned, error) { return r.scratch, nil }

func (r *restores) FollowScratch(ctx context.Context, name string, changed func(), t kube.Trouble) error {
	return r.FollowDestination(ctx, name, changed, t)
}

func (r *restores) May(_ context.Context, q kube.Request) (bool, error) {
	return q.Verb+" "+q.Resource != r.denied, nil
}
func (r *restores) WhoAmI(context.Context) string { return "ann" }

// checkJobs are its Jobs.
type checkJobs struct{ *restores }

func (j checkJobs) Template(context.Context, string) (map[string]any, handshake.CheckTemplate, error) {
	return map[string]any{}, j.check, nil
}

func (j checkJobs) Make(ctx context.Context, manifest map[string]any) (made *handshake.CheckJob, err error) {
	err = j.do(ctx, "make job", func() error {
		if j.job != nil {
			return exists("rs-restored")
		}
		j.job = &handshake.CheckJob{UID: "job", Owner: j.dest.UID, OwnerName: j.dest.Name, Complete: true, Succeeded: 1}
		made = j.job
		return nil
	})
	return made, err
}

func (j checkJobs) Get(_ context.Context, name string) (*handshake.CheckJob, error) {
	if name != "rs-restored" { // the mover's
		return nil, nil
	}
	return j.job, nil
}

func (j checkJobs) Follow(ctx context.Context, name string, changed func(), t kube.Trouble) error {
	return j.FollowDestination(ctx, name, changed, t)
}
func (j checkJobs) Said(context.Context, string) string { return "said" }

// checkRestore runs the command on such an API server.
func checkRestore(t *testing.T, prepare func(*restores), o CheckRestoreOptions) (*restores, *play) {
	r := &restores{
		t: t, from: handshake.RestoreFrom{Source: handshake.Source{Name: "rs", Claim: name, Mover: "restic"}},
		check: handshake.CheckTemplate{CronJob: "c", Suspended: true, Mounted: []string{"volsync-rs-restored-dest"}},
	}
	o.Run, o.CronJob, o.Restores, o.Jobs, o.Account = run, "c", r, checkJobs{r}, r
	if o.Timeout == 0 {
		o.Timeout = time.Hour
	}
	p := on(t, nil, func(ctx context.Context, s Step) (any, error) {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		r.signal = func() { stop(outcome.Stop{Name: "SIGTERM", Number: 15}) }
		prepare(r)
		return s.CheckRestore(ctx, o)
	}, nil)
	return r, p
}

func TestCheckRestore(t *testing.T) {
	const dest = "dest-" + run
	other := func(until string) func(*restores) {
		return func(r *restores) {
			r.dest = &handshake.Destination{Name: "rs-restored", UID: "other", Run: "other", Until: until}
		}
	}
	for name, c := range map[string]struct {
		prepare func(*restores)
		options CheckRestoreOptions
		how     outcome.Outcome
		says    string
		hint    string
		deleted string // uids of ReplicationDestinations
		stays   bool   // one is there in the end
	}{
		"good": {prepare: func(*restores) {}, how: outcome.OK, deleted: dest},
		"kept": {
			prepare: func(*restores) {}, options: CheckRestoreOptions{Keep: true}, how: outcome.OK, stays: true,
		},
		"no right": {
			prepare: func(r *restores) { r.denied = "create jobs" }, how: outcome.Refused,
			says: "ann may not create jobs", hint: "rbac/check-restore",
		},
		"a CronJob that runs": {
			prepare: func(r *restores) { r.check.Suspended = false }, how: outcome.Refused, says: "is not suspended",
			hint: "kubectl patch",
		},
		"a claim of the name": {
			prepare: func(r *restores) { r.scratch = &handshake.Owned{Kind: "pvc", Name: "c"} }, how: outcome.Refused,
			says: "would be overwritten", hint: "--name",
		},
		"another run": {
			prepare: other("2100-01-01T00:00:00Z"), how: outcome.Refused, says: "run other restores to", stays: true,
			hint: "kubectl delete -n app replicationdestination/rs-restored",
		},
		"another run's, left": {prepare: other("1999-01-01T00:00:00Z"), how: outcome.OK, deleted: "other " + dest},
		"another run is faster": {
			prepare: func(r *restores) {
				r.before = once("make", func() error { other("2100-01-01T00:00:00Z")(r); return nil })
			},
			how: outcome.Refused, says: "run other restores to", hint: "kubectl delete", stays: true,
		},
		"the reply is lost": {
			prepare: func(r *restores) { r.after = once("make", func() error { return away }) }, how: outcome.OK, deleted: dest,
		},
		"the reply of the Job is lost": {
			prepare: func(r *restores) { r.after = once("make job", func() error { return away }) },
			how:     outcome.OK, deleted: dest,
		},
		"a signal while it is made": {
			prepare: func(r *restores) { r.before = once("make", func() error { r.signal(); return nil }) },
			how:     outcome.Signalled, says: "SIGTERM", deleted: dest,
		},
		"a signal and no reply": {
			prepare: func(r *restores) {
				r.before = once("make", func() error { r.signal(); return nil })
				r.after = once("make", func() error { return away })
			},
			how: outcome.Signalled, says: "SIGTERM", deleted: dest,
		},
		"a signal, and nobody knows whether it is made": {
			prepare: func(r *restores) { r.before = once("make", func() error { r.signal(); return away }) },
			how:     outcome.Signalled, says: "A RESTORED COPY MAY STAY",
			hint: "kubectl delete -n app replicationdestination/rs-restored",
		},
		"taken over": {
			prepare: func(r *restores) {
				r.after = once("make", func() error {
					r.scratch = nil
					other("2100-01-01T00:00:00Z")(r)
					return nil
				})
			},
			how: outcome.Failed, says: "was deleted, or is not this run's", stays: true,
		},
		"the mover never ends": {
			prepare: func(r *restores) { r.after = once("make", func() error { r.dest.LastManual = ""; return nil }) },
			how:     outcome.TimedOut, says: "VolSync restores the last copy", hint: "--timeout", deleted: dest,
		},
		"nothing was restored": {
			prepare: func(r *restores) { r.after = once("make", func() error { r.dest.Proof = ""; return nil }) },
			how:     outcome.Failed, says: "nothing of having restored", hint: "repository", deleted: dest,
		},
		"another claim": {
			prepare: func(r *restores) { r.after = once("make", func() error { r.scratch.Owner = "x"; return nil }) },
			how:     outcome.Failed, says: "was not made for this restore", deleted: dest,
		},
		"a Job of the name": {
			prepare: func(r *restores) {
				r.before = once("make job", func() error { r.job = &handshake.CheckJob{UID: "theirs"}; return nil })
			},
			how: outcome.Failed, says: "belongs to no restore of this run", hint: "--name", deleted: dest,
		},
		"the check fails": {
			prepare: func(r *restores) {
				r.after = once("make job", func() error {
					r.job.Complete, r.job.Failed = false, "BackoffLimitExceeded"
					return nil
				})
			},
			how: outcome.Failed, says: "BackoffLimitExceeded; it says: said", deleted: dest,
		},
		"it cannot be thrown away": {
			prepare: func(r *restores) { r.stays = true }, how: outcome.Failed, stays: true,
			says: "A RESTORED COPY MAY STAY: PVC app/data: the check has ended well; and what it restored was not thrown away",
			hint: "kubectl delete -n app replicationdestination/rs-restored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.options.Timeout = time.Hour; name == "the mover never ends" {
				c.options.Timeout = 2 * time.Minute
			}
			r, p := checkRestore(t, c.prepare, c.options)
			p.wants(t, want{outcome: c.how, says: []string{c.says}, hint: c.hint})
			got := strings.Join(r.deleted, " ")
			if c.stays && r.stays {
				got = ""
			}
			if got != c.deleted {
				t.Errorf("deleted %q, want %q", got, c.deleted)
			}
			if (r.dest != nil) != c.stays {
				t.Errorf("left %+v", r.dest)
			}
		})
	}
}

// A second attempt goes on with what the first one, which was killed, has made.
func TestCheckRestoreGoesOn(t *testing.T) {
	r, p := checkRestore(t, func(r *restores) {
		_, _ = r.MakeDestination(t.Context(), handshake.Destination{Name: "rs-restored", Run: run}, nil)
		r.before = func(request string) error {
			if request == "make" {
				t.Error("it makes another one")
			}
			return nil
		}
	}, CheckRestoreOptions{})
	p.wants(t, want{outcome: outcome.OK})
	if r.dest != nil || !p.log.has("of an earlier attempt") {
		t.Errorf("left %+v\n%s", r.dest, &p.log.b)
	}
}
