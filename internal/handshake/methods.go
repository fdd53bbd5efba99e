package handshake

import "strings"

// Mover is a mover of VolSync's that gets its copy through the code that honours copy triggers
// (EnsurePVCFromSrc). Others copy the live volume, or are not VolSync's own.
type Mover struct {
	Name string // the field of the ReplicationSource's spec
	Note string
}

// Movers are all movers that honour copy triggers.
func Movers() []Mover {
	return []Mover{
		{Name: "restic"},
		{Name: "rclone"},
		{Name: "rsyncTLS"},
		{Name: "rsync"},
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
