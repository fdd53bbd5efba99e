package handshake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// What stands on a ReplicationDestination that this program has made.
const (
	RestoredByAnnotation    = "copytrigger/restored-by"    // the run
	RestoredUntilAnnotation = "copytrigger/restored-until" // when the run is over, whatever became of it
)

// Restorer is a mover that keeps copies in a repository, from which VolSync restores the last one.
type Restorer struct {
	Mover  string
	Fields []string // mean the same in a ReplicationSource and in a ReplicationDestination
	// Proof is how a line of the mover's log begins, in lower case, once it has restored something. "" for a
	// mover that fails where there is no copy.
	Proof string
}

// Restorers are all movers whose copies can be restored.
func Restorers() []Restorer {
	pod := []string{
		"moverSecurityContext", "moverServiceAccount", "moverPodLabels", "moverResources", "moverAffinity", "moverVolumes",
	}
	return []Restorer{
		{
			// Without a copy in the repository restic's mover ends well, and has restored nothing.
			Mover: "restic", Proof: "restoring",
			Fields: slices.Concat(
				[]string{"repository", "customCA", "cacheCapacity", "cacheStorageClassName", "cacheAccessModes"}, pod),
		},
		{
			Mover:  "rclone",
			Fields: slices.Concat([]string{"rcloneConfig", "rcloneConfigSection", "rcloneDestPath", "customCA"}, pod),
		},
	}
}

// noRestore is why nothing can be restored from a mover that is not in [Restorers].
func noRestore(mover string) string {
	switch mover {
	case "rsync", "rsyncTLS":
		return "keeps no repository: its copy is the claim of a ReplicationDestination that is there already"
	case "syncthing":
		return "keeps no copies: it holds claims the same"
	case "kopia":
		return "is a fork's, whose ReplicationDestination this program does not know"
	}
	return "is not known to keep a repository"
}

func restorerOf(mover string) (Restorer, bool) {
	for _, r := range Restorers() {
		if r.Mover == mover {
			return r, true
		}
	}
	return Restorer{}, false
}

// Shape is what a claim must be like that takes the content of another one.
type Shape struct {
	Capacity    string
	Class       string // "" for the default one
	AccessModes []string
}

// RestoreFrom is a ReplicationSource whose last copy is to be restored.
type RestoreFrom struct {
	Source  Source
	Section map[string]any // of its spec: the mover's
}

// ChooseSource returns the one ReplicationSource of a claim, or the one of these that has the name.
func ChooseSource(claim, name string, all []RestoreFrom) (RestoreFrom, *Decision) {
	of := slices.DeleteFunc(slices.Clone(all), func(f RestoreFrom) bool {
		return f.Source.Claim != claim || name != "" && f.Source.Name != name
	})
	show := func(d *Decision) *Decision { d.Next = Move{Kind: MoveShowSources}; return d }
	switch {
	case len(of) == 0 && name != "":
		return RestoreFrom{}, show(refuse(fmt.Sprintf("ReplicationSource %s does not copy it, or is not there", name),
			"name one that does with --replication-source"))
	case len(of) == 0:
		return RestoreFrom{}, show(refuse("no ReplicationSource copies it, so there is nothing to restore",
			"check --pvc and --namespace; what is there"))
	case len(of) > 1:
		var names []Source
		for _, f := range of {
			names = append(names, f.Source)
		}
		return RestoreFrom{}, refuse("several ReplicationSources copy it: "+sourceNames(names),
			"choose one with --replication-source "+of[0].Source.Name)
	}
	mover := of[0].Source.Mover
	if _, can := restorerOf(mover); !can {
		return RestoreFrom{}, refuse(
			fmt.Sprintf("ReplicationSource %s has the mover %q, which %s", of[0].Source.Name, mover, noRestore(mover)),
			"look at what it has made by hand; or use restic or rclone")
	}
	return of[0], nil
}

// Spec returns the spec of a ReplicationDestination that restores the last copy, once, to a claim that
// VolSync makes for it.
func (f RestoreFrom) Spec(to Shape, run string) map[string]any {
	section := map[string]any{"copyMethod": "Direct", "capacity": to.Capacity}
	var modes []any
	for _, mode := range to.AccessModes {
		modes = append(modes, mode)
	}
	section["accessModes"] = modes
	if to.Class != "" {
		section["storageClassName"] = to.Class
	}
	r, _ := restorerOf(f.Source.Mover)
	for field, value := range f.Section {
		if slices.Contains(r.Fields, field) {
			section[field] = value
		}
	}
	return map[string]any{"trigger": map[string]any{"manual": run}, f.Source.Mover: section}
}

// longestRestore is how long the name of a ReplicationDestination may be. A longer one's mover has a name
// that nobody can tell beforehand.
const longestRestore = 63 - len("volsync-dst-")

// ScratchName is the name of the claim that VolSync makes for a ReplicationDestination.
func ScratchName(name string) string { return "volsync-" + name + "-dest" }

// RestoreMover is the name of the Job that restores to it.
func RestoreMover(name string) string { return "volsync-dst-" + name }

// Destination is a ReplicationDestination.
type Destination struct {
	Name, UID  string
	Deleting   bool
	Run, Until string // of the annotations; "" on one that this program has not made
	LastManual string
	LastSync   string
	Result     string // of the mover: Failed, Successful
	Log        string // its last words
	Proof      string // the line of its log that has [Restorer.Proof]
	Trouble    string // why VolSync cannot begin
}

func destination(name string) string { return "replicationdestination/" + name }

// Owned is an object that should go with a ReplicationDestination.
type Owned struct {
	Kind, Name string // as kubectl has them: pvc, job
	UID        string
	Owner      string // the uid of a ReplicationDestination; "" for none
	OwnerName  string // of that
}

// RestoreScene is what there is of a restore's name.
type RestoreScene struct {
	Name        string
	Destination *Destination
	Over        bool // the time of Destination.Until has passed
	Owned       []Owned
}

// RestoreDo is what to do about a [RestoreScene].
type RestoreDo int

// What there is to do.
const (
	RestoreWait    RestoreDo = iota // it goes; Why says what
	RestoreMake                     // make the ReplicationDestination
	RestoreGoOn                     // it is this run's
	RestoreDiscard                  // it is left of an earlier run: delete it
)

// Begin decides how a run begins to restore. What it has not made it never touches, and what another run
// still uses neither.
func (r RestoreScene) Begin(run string) (RestoreDo, string, *Decision) {
	if len(r.Name) > longestRestore {
		return 0, "", refuse(fmt.Sprintf("the name %s is too long for a ReplicationDestination: it has %d characters, "+
			"and %d are possible", r.Name, len(r.Name), longestRestore), "give it a shorter one with --name")
	}
	d := r.Destination
	switch {
	case d == nil:
		return r.beginAnew()
	case d.Run == "":
		no := refuse(fmt.Sprintf("ReplicationDestination %s is there, and no restore of this program has made it", r.Name),
			"give another name with --name; what it is")
		no.Next = Move{Kind: MoveShow, Object: destination(r.Name), Flags: "-o yaml"}
		return 0, "", no
	case d.Deleting:
		return RestoreWait, fmt.Sprintf("ReplicationDestination %s of run %s is being deleted", r.Name, d.Run), nil
	case d.Run == run:
		return RestoreGoOn, "", nil
	case r.Over:
		return RestoreDiscard, "", nil
	}
	no := refuse(fmt.Sprintf("run %s restores to ReplicationDestination %s, or has kept it: it has until %s",
		d.Run, r.Name, d.Until), "wait for its end; or, if it has ended, throw away what it has left")
	no.Next = Move{Kind: MoveDelete, Object: destination(r.Name)}
	return 0, "", no
}

// beginAnew is Begin where there is no ReplicationDestination. VolSync would take a claim of the name that
// nobody owns, restore over its content, and delete it in the end.
func (r RestoreScene) beginAnew() (RestoreDo, string, *Decision) {
	for _, o := range r.Owned {
		if o.OwnerName == r.Name {
			continue
		}
		no := refuse(fmt.Sprintf("%s %s is there, and belongs to no restore: it would be overwritten, and deleted",
			o.Kind, o.Name), "give another name with --name; what it is")
		no.Next = Move{Kind: MoveShow, Object: o.Kind + "/" + o.Name, Flags: "-o yaml"}
		return 0, "", no
	}
	if len(r.Owned) > 0 {
		o := r.Owned[0]
		return RestoreWait, fmt.Sprintf("%s %s of an earlier restore is being deleted", o.Kind, o.Name), nil
	}
	return RestoreMake, "", nil
}

// Left returns an object that there still is of the restore to the ReplicationDestination with the uid, as
// kubectl has it; "" for none.
func (r RestoreScene) Left(uid string) string {
	if d := r.Destination; d != nil && d.UID == uid {
		return destination(r.Name)
	}
	for _, o := range r.Owned {
		if uid != "" && o.Owner == uid {
			return o.Kind + "/" + o.Name
		}
	}
	return ""
}

// CheckTemplate is what a CronJob says of the Job that checks a restored claim.
type CheckTemplate struct {
	CronJob      string
	Suspended    bool
	JobSuspended bool
	Claims       []string // that its pod has
	Mounted      []string // that one of its containers mounts
}

// Refusal returns why the check must not run: by itself, on nothing, or on what it is not meant for. used
// are the claims that ReplicationSources copy.
func (c CheckTemplate) Refusal(scratch string, used []string) *Decision {
	object := "cronjob/" + c.CronJob
	edit := func(no *Decision) *Decision { no.Next = Move{Kind: MoveEdit, Object: object}; return no }
	var wrong []string
	for _, claim := range c.Claims {
		if slices.Contains(used, claim) {
			wrong = append(wrong, claim)
		}
	}
	switch {
	case !c.Suspended:
		no := refuse(fmt.Sprintf("CronJob %s is not suspended: it would run by itself, without a restored claim", c.CronJob),
			"suspend it")
		no.Next = Move{Kind: MovePatch, Object: object, Value: `{"spec":{"suspend":true}}`}
		return no
	case c.JobSuspended:
		return edit(refuse(fmt.Sprintf("the Jobs of CronJob %s are suspended, so its check would never begin", c.CronJob),
			"take spec.jobTemplate.spec.suspend out"))
	case len(wrong) > 0:
		return edit(refuse(fmt.Sprintf("the pod of CronJob %s has PVC %s, which a ReplicationSource copies: "+
			"the check would work on what is in use", c.CronJob, strings.Join(wrong, ", ")),
			"give it PVC "+scratch+" in its place"))
	case !slices.Contains(c.Mounted, scratch):
		return edit(refuse(fmt.Sprintf("no container of CronJob %s mounts PVC %s, to which the copy is restored",
			c.CronJob, scratch), "mount it"))
	}
	return nil
}

// Restored decides whether the copy is restored, to the ReplicationDestination with the uid.
func (d *Destination) Restored(uid, run, mover string) Decision {
	r, _ := restorerOf(mover)
	failed := func(why, hint string) Decision {
		return Decision{Do: End, Outcome: outcome.Failed, Why: why, Hint: hint}
	}
	repositoryHint := "is the repository the one that the ReplicationSource writes to, and does it have a copy?"
	switch {
	case d == nil || d.UID != uid || d.Deleting || d.Run != run:
		return failed("the ReplicationDestination was deleted, or is not this run's any more", "")
	case d.LastManual == run && d.Result == "Successful" && r.Proof != "" && d.Proof == "":
		return failed("the mover has ended well, and says nothing of having restored anything: "+d.Log, repositoryHint)
	case d.LastManual == run && d.Result == "Successful":
		return Decision{Do: End, Outcome: outcome.OK, Why: "the copy is restored: " + d.Log}
	case d.LastManual == run, d.Result == "Failed":
		return failed(fmt.Sprintf("the copy was not restored; the mover's result is %s: %s", d.Result, d.Log), repositoryHint)
	}
	why := "VolSync restores the last copy"
	if d.Trouble != "" {
		why += ", and says: " + d.Trouble
	}
	return *notYet(why)
}

// Belongs reports why a claim is not the one that VolSync made for the ReplicationDestination; "" if it is.
func (o *Owned) Belongs(uid string) string {
	switch {
	case o == nil:
		return "the restored claim is not there"
	case o.Owner != uid:
		return "the restored claim was not made for this restore"
	}
	return ""
}

// CheckJob is the Job that checks the restored claim.
type CheckJob struct {
	UID            string
	Owner          string // the uid of a ReplicationDestination; "" for none
	OwnerName      string // of that
	Complete       bool
	Failed         string // why; "" if it has not
	Active, Errors int64  // pods that run, and that have failed
	Succeeded      int64
}

// Checked decides whether the Job with the uid has ended, and well.
func (j *CheckJob) Checked(uid string) Decision {
	failed := func(why string) Decision { return Decision{Do: End, Outcome: outcome.Failed, Why: why} }
	switch {
	case j == nil || j.UID != uid:
		return failed("the Job of the check was deleted before it had ended")
	case j.Failed != "":
		return failed("the check has failed: " + j.Failed)
	case j.Complete && j.Succeeded > 0:
		return Decision{Do: End, Outcome: outcome.OK, Why: "the check has ended well"}
	case j.Complete:
		return failed("the Job of the check is complete, and no pod of it has succeeded")
	}
	why := fmt.Sprintf("the check runs (%d pods, %d have failed)", j.Active, j.Errors)
	if j.Active == 0 {
		why = fmt.Sprintf("the check has no pod that runs (%d have failed)", j.Errors)
	}
	return *notYet(why)
}

// CheckManifest returns the Job that a CronJob's template asks for, as kubectl create job --from makes it.
// It goes with its owner, and not before: who waits for its end must be able to see it.
func CheckManifest(name string, template map[string]any, owner Destination) map[string]any {
	meta, _ := template["metadata"].(map[string]any)
	annotations := map[string]any{}
	if was, is := meta["annotations"].(map[string]any); is {
		maps.Copy(annotations, was)
	}
	annotations["cronjob.kubernetes.io/instantiate"] = "manual"
	spec, _ := template["spec"].(map[string]any)
	spec = maps.Clone(spec)
	delete(spec, "ttlSecondsAfterFinished")
	own := map[string]any{
		"name": name, "annotations": annotations,
		"ownerReferences": []any{map[string]any{
			"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationDestination", "name": owner.Name, "uid": owner.UID,
		}},
	}
	if labels, is := meta["labels"]; is {
		own["labels"] = labels
	}
	return map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": own, "spec": spec}
}
