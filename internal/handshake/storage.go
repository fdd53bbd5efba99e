package handshake

import (
	"fmt"
	"slices"
	"strings"
)

// The values of a storage class's volumeBindingMode.
const (
	BindsAtOnce = "Immediate"
	BindsLate   = "WaitForFirstConsumer"
)

// Storage is what the cluster says of copies of a claim. What could not be read is "", and says so
// in Unread.
type Storage struct {
	Driver      string // of CSI, of the claim's volume
	NotCSI      string // what the volume is, where it is not one of CSI
	NoSnapshots bool   // the API server knows no VolumeSnapshots
	Classes     []SnapshotClass
	Binding     string // volumeBindingMode of the class of a clone
	Class       string // its name
	Unread      []string
}

// SnapshotClass is a VolumeSnapshotClass.
type SnapshotClass struct {
	Name, Driver string
	Default      bool // of its driver
}

// CanCopy decides whether the storage can make the copy of a ReplicationSource.
func CanCopy(s Source, st Storage) Finding {
	f := Finding{About: AboutStorage, Level: Refusal}
	what := "snapshot"
	if !seesCut(s) {
		what = "clone"
	}
	switch {
	case st.NotCSI != "":
		f.Why = fmt.Sprintf("its volume is %s, of which no CSI driver makes a %s", st.NotCSI, what)
		f.Hint = "move the data to a claim of a storage class whose CSI driver does; what there is"
		f.Next = Move{Kind: MoveShowCluster, Object: "storageclasses"}
	case what == "clone":
		return st.canClone(f)
	case st.NoSnapshots:
		f.Why = "the API server knows no VolumeSnapshots, and copyMethod is Snapshot"
		f.Hint = "install the snapshot controller and the CustomResourceDefinitions of CSI; what is there"
		f.Next = Move{Kind: MoveShowCluster, Object: "customresourcedefinitions"}
	case st.Classes == nil && len(st.Unread) > 0:
		return st.notKnown(f)
	default:
		return st.canSnapshot(s, f)
	}
	return f
}

func (st Storage) notKnown(f Finding) Finding {
	f.Level, f.Why = NotKnown, "not checked: "+strings.Join(st.Unread, "; ")
	return f
}

// canClone knows the driver of the volume; whether a driver can clone nothing tells.
func (st Storage) canClone(f Finding) Finding {
	if st.Binding == "" && len(st.Unread) > 0 {
		return st.notKnown(f)
	}
	f.Level = Fine
	f.Why = fmt.Sprintf("clones by driver %s, and storage class %s, whose volumeBindingMode is %s",
		orUnknown(st.Driver), orUnknown(st.Class), orUnknown(st.Binding))
	return f
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}

// canSnapshot finds the class as the snapshot controller does: the one that is named, or the default
// one of the volume's driver.
func (st Storage) canSnapshot(s Source, f Finding) Finding {
	fits := func(c SnapshotClass) bool { return st.Driver == "" || c.Driver == st.Driver }
	f.Next = Move{Kind: MoveShowCluster, Object: "volumesnapshotclasses"}
	f.Hint = "name one whose driver is " + orUnknown(st.Driver) + "; what there is"
	if i := slices.IndexFunc(st.Classes, fits); i >= 0 && st.Driver != "" {
		f.Hint = "name one of that driver"
		f.Next = s.set(s.Mover, "volumeSnapshotClassName", st.Classes[i].Name)
	}
	if s.SnapshotClass != "" {
		i := slices.IndexFunc(st.Classes, func(c SnapshotClass) bool { return c.Name == s.SnapshotClass })
		switch {
		case i < 0:
			f.Why = fmt.Sprintf("ReplicationSource %s names VolumeSnapshotClass %s, which is not there", s.Name, s.SnapshotClass)
		case !fits(st.Classes[i]):
			f.Why = fmt.Sprintf("VolumeSnapshotClass %s is of driver %s, and the volume of driver %s",
				s.SnapshotClass, st.Classes[i].Driver, st.Driver)
		default:
			return st.snapshotsBy(st.Classes[i], f)
		}
		return f
	}
	usual := slices.DeleteFunc(slices.Clone(st.Classes), func(c SnapshotClass) bool { return !c.Default || !fits(c) })
	switch {
	case len(usual) == 1:
		return st.snapshotsBy(usual[0], f)
	case st.Driver == "" && len(usual) > 1:
		return st.notKnown(f) // one for each driver
	case len(usual) == 0:
		f.Why = fmt.Sprintf("ReplicationSource %s names no VolumeSnapshotClass, and driver %s has no default one",
			s.Name, orUnknown(st.Driver))
	default:
		f.Why = fmt.Sprintf("ReplicationSource %s names no VolumeSnapshotClass, and driver %s has %d default ones",
			s.Name, st.Driver, len(usual))
	}
	return f
}

func (st Storage) snapshotsBy(c SnapshotClass, f Finding) Finding {
	f.Level, f.Hint, f.Next = Fine, "", Move{}
	f.Why = fmt.Sprintf("snapshots by class %s of driver %s", c.Name, c.Driver)
	if st.Driver == "" {
		f.Level, f.Why = NotKnown, f.Why+"; not checked whether that is the volume's: "+strings.Join(st.Unread, "; ")
	}
	return f
}
