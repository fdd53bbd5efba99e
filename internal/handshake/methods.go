package handshake

import "strings"

// Mover is a mover of VolSync's that gets its copy through the code that honours copy triggers
// (EnsurePVCFromSrc). Others copy the live volume, or are not VolSync's own.
type Mover struct {
	Name string // the field of the ReplicationSource's spec
	Note string
	job  string // what the names of its Jobs begin with; "" for not known
}

// Movers are all movers that honour copy triggers.
func Movers() []Mover {
	return []Mover{
		{Name: "restic", job: "volsync-src-"},
		{Name: "rclone", job: "volsync-rclone-src-"},
		{Name: "rsyncTLS", job: "volsync-rsync-tls-src-"},
		{Name: "rsync", job: "volsync-rsync-src-"},
		{Name: "kopia", Note: "in a fork of VolSync, whose copy-trigger code is the same"},
	}
}

// Honours reports whether a mover honours copy triggers.
func Honours(mover string) bool {
	for _, m := range Movers() {
		if m.Name == mover {
			return true
		}
	}
	return false
}

// longestJob is how long the name of a mover's Job may be. Of a ReplicationSource whose name makes it
// longer VolSync takes the uid (getShortenedResourceName).
const longestJob = 63

// MoverLog is the log of the mover of s while it runs, which says more than the ReplicationSource's
// status; the zero Move where the name of its Job is not known.
func MoverLog(s Source) Move {
	for _, m := range Movers() {
		if m.Name != s.Mover || m.job == "" {
			continue
		}
		name := m.job + s.Name
		if len(name) > longestJob {
			name = m.job + s.UID
		}
		return Move{Kind: MoveLog, Object: "job/" + name}
	}
	return Move{}
}

func moverNames() string {
	var names []string
	for _, m := range Movers() {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// CopyMethod is a value of copyMethod, of which VolSync makes a copy that waits for a trigger.
// Of the others (Direct, None) VolSync returns the live volume without a look at the
// annotations (volumehandler.go:77).
type CopyMethod struct {
	Name string
	// Snapshot reports whether the copy is a VolumeSnapshot, whose cut can be seen. It is a
	// claim otherwise: of a clone CSI tells nothing before it is bound.
	Snapshot bool
}

// CopyMethods are all copy methods that honour copy triggers.
func CopyMethods() []CopyMethod {
	return []CopyMethod{{Name: "Snapshot", Snapshot: true}, {Name: "Clone"}}
}

// CopyMethodOf returns the copy method of a name. It reports false if the method ignores copy
// triggers.
func CopyMethodOf(name string) (CopyMethod, bool) {
	for _, m := range CopyMethods() {
		if m.Name == name {
			return m, true
		}
	}
	return CopyMethod{}, false
}

func copyMethodNames() string {
	var names []string
	for _, m := range CopyMethods() {
		names = append(names, m.Name)
	}
	return strings.Join(names, " or ")
}
