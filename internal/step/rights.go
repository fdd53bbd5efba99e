package step

// Right is what the account of a run needs to be allowed to. [Rights] has a row for each rule of the
// Roles that are shipped.
type Right struct {
	Verbs    []string
	Group    string
	Resource string // with a subresource as RESOURCE/SUBRESOURCE
	Names    Names
	Use      Use
	For      string
}

// Names are the names that a Role can restrict a [Right] to.
type Names uint8

// The names.
const (
	AnyName     Names = iota
	ClaimNames        // the claims
	CopyNames         // VolSync's copies of them
	SourceNames       // the ReplicationSources that copy them
)

// Use is what needs a [Right].
type Use uint8

// The uses.
const (
	EveryStep    Use = iota
	WithVolSync      // every step, without --pvc-only
	OfSnapshots      // the same, with copyMethod Snapshot
	OfClones         // with copyMethod Clone
	InPods           // run --in-pod, cleanup --in-pod, exec
	OfCleanup        // await-pods-ended
	WithSelector     // --selector, where a run begins
	ToStartSync      // start-sync, --start-sync
	OfEvents         // Events about the claim; nothing fails without it
	OfRestores       // check-restore
)

// Rights are all rights that run and the steps need.
func Rights() []Right {
	const snapshots = "snapshot.storage.k8s.io"
	return []Right{
		{
			Verbs: []string{"get", "watch", "patch"}, Resource: "persistentvolumeclaims", Names: ClaimNames,
			Use: EveryStep, For: "every step: it looks at the claim, waits for it, and writes trigger and lock",
		},
		{
			Verbs: []string{"list", "watch"}, Group: "volsync.backube", Resource: "replicationsources",
			Use: WithVolSync, For: "every step that waits: it looks at what copies the claim",
		},
		{
			Verbs: []string{"get", "watch"}, Group: snapshots, Resource: "volumesnapshots", Names: CopyNames,
			Use: OfSnapshots, For: "every step that waits: it looks at the copy",
		},
		{
			Verbs: []string{"get", "watch"}, Resource: "persistentvolumeclaims", Names: CopyNames,
			Use: OfClones, For: "every step that waits: it looks at the copy",
		},
		{
			Verbs: []string{"get", "list"}, Resource: "pods",
			Use: InPods, For: "--in-pod and exec: they look for the application's pod",
		},
		{
			Verbs: []string{"create", "get"}, Resource: "pods/exec",
			Use: InPods, For: "--in-pod and exec: they run commands in it",
		},
		{
			Verbs: []string{"list", "watch"}, Resource: "pods",
			Use: OfCleanup, For: "await-pods-ended, which the cleanup of a pipeline begins with",
		},
		{
			Verbs: []string{"list"}, Resource: "persistentvolumeclaims",
			Use: WithSelector, For: "--selector: it finds the claims that have the labels",
		},
		{
			Verbs: []string{"patch"}, Group: "volsync.backube", Resource: "replicationsources", Names: SourceNames,
			Use: ToStartSync, For: "--start-sync and start-sync: they set spec.trigger.manual",
		},
		{
			Verbs: []string{"create"}, Resource: "events",
			Use: OfEvents, For: "Events about the claims, which nothing depends on",
		},
		{
			Verbs: []string{"create", "get", "watch", "delete"}, Group: "volsync.backube", Resource: "replicationdestinations",
			Use: OfRestores, For: "check-restore: it restores the copy by one, and throws it away",
		},
		{
			Verbs: []string{"get"}, Group: "batch", Resource: "cronjobs",
			Use: OfRestores, For: "check-restore: it reads the check",
		},
		{
			Verbs: []string{"create", "get", "watch"}, Group: "batch", Resource: "jobs",
			Use: OfRestores, For: "check-restore: it runs the check",
		},
		{
			Verbs: []string{"get", "watch"}, Resource: "persistentvolumeclaims",
			Use: OfRestores, For: "check-restore: it looks at the claim that the copy is restored to",
		},
		{
			Verbs: []string{"list"}, Resource: "pods",
			Use: OfRestores, For: "check-restore: it finds the pods that have failed",
		},
		{
			Verbs: []string{"get"}, Resource: "pods/log",
			Use: OfRestores, For: "check-restore: it tells what these said",
		},
	}
}
