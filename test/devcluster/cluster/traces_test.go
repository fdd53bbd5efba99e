package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Other programs are no traces, whatever they do meanwhile; what is below this process is one,
// also when its parent has been killed.
func TestTracesAreOfWhatIsBelow(t *testing.T) {
	before := tracesOf(t)
	other := orphan(t)
	if got := tracesOf(t).beyond(before); len(listening(t, other)) != 1 || len(got.processes)+len(got.listeners) > 0 {
		t.Errorf("another program listens on %q, and shows as %q, %q", listening(t, other), got.processes, got.listeners)
	}
	adopt(t)
	left := orphan(t)
	got := tracesOf(t).beyond(before)
	if want := listening(t, left); len(want) != 1 || !slices.Equal(got.listeners, want) || len(got.processes) != 1 {
		t.Errorf("what is left listens on %q, and shows as %q, %q", want, got.processes, got.listeners)
	}
}

// orphan starts a program that listens, and whose parent has ended.
func orphan(t *testing.T) (pid int) {
	t.Helper()
	stay, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	said, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `"$0" '-test.run=^TestListener$' <&3 >&4 &`, os.Args[0])
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "COPYTRIGGER_LISTENER=1"), []*os.File{stay, says}
	err = cmd.Run()
	stay.Close()
	says.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end.Close()
		_, _ = io.Copy(io.Discard, said) // it has ended then
		if pid > 0 {
			_, _ = unix.Wait4(pid, nil, 0, nil) // it may be a child of this process now
		}
	})
	if _, err := fmt.Fscan(said, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestListener is not a test but the program that listens.
func TestListener(t *testing.T) {
	if os.Getenv("COPYTRIGGER_LISTENER") == "" {
		t.Skip("runs as a part of TestTracesAreOfWhatIsBelow")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Println(os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestTracesAreOfTheCluster(t *testing.T) {
	own := belongings{
		dir: "/tmp/node-1", groups: map[string]bool{"7": true},
		addresses: map[string]bool{
			"02:00:00:00:00:01": true,
		}, networks: map[int]bool{5: true}, cgroups: map[string]bool{"copytrigger-1": true},
	}
	others := traces{
		mounts: mountsOf("70 30 0:60 / /tmp/node-12/m rw,relatime shared:8 - tmpfs tmpfs rw\n" +
			"71 30 0:61 / /run/netns/cni-1 rw - nsfs nsfs rw\n"),
		interfaces: []iface{{"veth1", "02:00:00:00:00:02", 4}, {"dummy0", "02:00:00:00:00:03", -1}, {"tunl0", "", -1}},
		cgroups:    []string{"/sys/fs/cgroup/copytrigger-12"},
	}
	if got := others.of(own); !got.none() {
		t.Errorf("what others have shows as %+v", got)
	}
	left := traces{
		processes: []string{"1 (x)"}, listeners: []string{"tcp 0100007F 1"},
		mounts: mountsOf("70 30 0:60 / /tmp/node-1/m rw,relatime - tmpfs tmpfs rw\n" +
			"71 30 0:61 / /run/overlay rw - overlay overlay rw,lowerdir=/a,upperdir=/tmp/node-1/b\n" +
			"72 30 0:62 / /tmp/node-1 rw - tmpfs tmpfs rw\n" +
			"73 30 0:4 net:[1] /run/netns/cni-1 rw master:3 shared:7 - nsfs nsfs rw\n"),
		interfaces: []iface{{"eth9", "02:00:00:00:00:01", -1}, {"veth2", "02:00:00:00:00:04", 5}},
		cgroups:    []string{"/sys/fs/cgroup/memory/copytrigger-1"},
	}
	if got := left.of(own); !reflect.DeepEqual(got, left) {
		t.Errorf("of what is left, %+v, only %+v shows", left, got)
	}
	own.sameMounts = true
	if got := others.of(own); !slices.Equal(got.mounts, others.mounts) {
		t.Errorf("in the machine's mount namespace, %+v shows as %+v", others.mounts, got.mounts)
	}
}

// Components in namespaces of their own, as those of a node are, leave nothing in the machine's;
// what gets there all the same is seen.
func TestTracesOfNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes namespaces, which needs root")
	}
	adopt(t)
	for name, isolated := range map[string]bool{"of their own": true, "the machine's": false} {
		t.Run(name, func(t *testing.T) {
			before := tracesOf(t)
			c, components := mounting(t, isolated)
			own := belongingsOf(t, c, components)
			if got := tracesOf(t).beyond(before).of(own); len(got.processes) != 1 || len(got.mounts) == 0 != isolated ||
				isolated && len(got.interfaces) > 0 {
				t.Errorf("it shows as %+v", got)
			}
			if !isolated {
				return
			}
			leaked := veth(t, c.network)
			own = belongingsOf(t, c, components)
			if got := tracesOf(t).beyond(before).of(own); len(got.interfaces) != 1 || got.interfaces[0].name != leaked {
				t.Errorf("the interface %s shows as %v", leaked, got.interfaces)
			}
		})
	}
}

// mounting is a cluster of one component, which mounts something.
func mounting(t *testing.T, isolated bool) (*Cluster, []Status) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"log", "mount"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newSupervisor(dir, isolated)
	if err != nil {
		t.Skip(err) // root may lack the right to
	}
	t.Cleanup(s.stop)
	one := shell(t, "one", "mount -t tmpfs tmpfs mount && touch mounted; exec sleep 1000")
	one.ready = func(context.Context) error { _, err := os.Stat(filepath.Join(dir, "mounted")); return err }
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "mount"), unix.MNT_DETACH) }) // if it is here
	if err := s.add(one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(context.Background(), "one", unix.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	if err := s.await(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	components, err := s.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := enterNetwork(components[0].Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return &Cluster{dir: dir, network: n}, components
}

// veth makes a pair of interfaces in a network, and moves one of them to the machine's. It goes
// with the other.
func veth(t *testing.T, n *network) (name string) {
	t.Helper()
	name = fmt.Sprintf("ct%d", os.Getpid())
	machines, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer machines.Close()
	done := make(chan struct{})
	n.work <- func() {
		defer close(done)
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
		if err = netlink.LinkAdd(pair); err == nil {
			err = netlink.LinkSetNsFd(pair, int(machines.Fd()))
		}
	}
	<-done
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// traces are what a cluster can leave on the machine. Other programs there listen, mount, and
// make interfaces and cgroups meanwhile: see of.
type traces struct {
	processes, listeners []string // of what is below this process
	mounts               []mount
	interfaces           []iface
	cgroups              []string
}

// mount is one of a mount namespace.
type mount struct {
	says  string // what is mounted, where and how
	group string // its peer group, whose mounts come and go together in several namespaces; "" for none
}

// iface is an interface of a network.
type iface struct {
	name    string
	address string // "" for one that every network has
	peer    int    // the network that its other end is in, by its number in this one; -1 for none
}

// adopt makes this process the parent of whatever below it loses its parent, until the end of
// the test. So all that a cluster starts stays below this process, whoever is killed.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
			t.Error(err)
		}
		for _, p := range below(t, os.Getpid()) {
			if p.dead {
				_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
			}
		}
	})
}

type proc struct {
	pid, parent int
	dead        bool // and not collected yet
	says        string
}

// below are the processes that a process has started, and that those have started.
func below(t *testing.T, pid int) []proc {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]proc{}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid ...; the name may contain anything.
		end := strings.LastIndex(string(text), ") ")
		name, fields := string(text[:end+1]), strings.Fields(string(text[end+1:]))
		p := proc{dead: fields[0] == "Z", says: name + " started at " + fields[19]} // a pid comes again
		if _, err := fmt.Sscan(name+" "+fields[1], &p.pid); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(fields[1], &p.parent); err != nil {
			t.Fatal(err)
		}
		children[p.parent] = append(children[p.parent], p)
	}
	all := slices.Clone(children[pid])
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

func tracesOf(t *testing.T) traces {
	t.Helper()
	var all traces
	pids := []int{os.Getpid()}
	for _, p := range below(t, os.Getpid()) {
		if !p.dead {
			pids, all.processes = append(pids, p.pid), append(all.processes, p.says)
		}
	}
	all.listeners = listening(t, pids...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	all.mounts = mountsOf(string(mounts))
	all.interfaces = interfacesOf(t, &network{})
	for _, root := range cgroupRoots() {
		groups, err := filepath.Glob(filepath.Join(root, "copytrigger-*"))
		if err != nil {
			t.Fatal(err)
		}
		all.cgroups = append(all.cgroups, groups...)
	}
	return all
}

// listening is what processes listen on, in the network of this one.
func listening(t *testing.T, pids ...int) []string {
	t.Helper()
	var held, all []string
	for _, pid := range pids {
		inodes, _ := socketsOf(pid) // none if it has ended
		held = append(held, inodes...)
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		for _, s := range waiting(t, table) {
			if slices.Contains(held, s.inode) {
				all = append(all, table+" "+s.host+" "+s.inode)
			}
		}
	}
	return all
}

// mountsOf reads /proc/PID/mountinfo, whose lines have: ID, parent, device, root, mount point,
// options, optional fields, "-", type, source, options.
func mountsOf(text string) []mount {
	var all []mount
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		m := mount{says: strings.Join(fields[2:], " ")}
		for _, optional := range fields[6:] {
			tag, group, _ := strings.Cut(optional, ":")
			if optional == "-" {
				break
			}
			if tag == "shared" || tag == "master" {
				m.group = group
			}
		}
		all = append(all, m)
	}
	return all
}

func interfacesOf(t *testing.T, n *network) []iface {
	t.Helper()
	var found []netlink.Link
	var err error
	done := make(chan struct{})
	look := func() {
		for found, err = netlink.LinkList(); errors.Is(err, netlink.ErrDumpInterrupted); found, err = netlink.LinkList() {
			// somebody has changed one meanwhile
		}
	}
	if n.work == nil {
		look()
	} else {
		n.work <- func() { look(); close(done) }
		<-done
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []iface
	for _, l := range found {
		i := iface{l.Attrs().Name, l.Attrs().HardwareAddr.String(), l.Attrs().NetNsID}
		if strings.Trim(i.address, "0:") == "" {
			i.address = ""
		}
		all = append(all, i)
	}
	return all
}

// beyond is what is there that was not there.
func (now traces) beyond(was traces) traces {
	return traces{
		more(now.processes, was.processes), more(now.listeners, was.listeners), more(now.mounts, was.mounts),
		more(now.interfaces, was.interfaces), more(now.cgroups, was.cgroups),
	}
}

func more[T comparable](now, was []T) []T {
	return slices.DeleteFunc(slices.Clone(now), func(one T) bool { return slices.Contains(was, one) })
}

// belongings says which mounts, interfaces and cgroups can be a cluster's own.
type belongings struct {
	dir        string
	sameMounts bool // a component is in the mount namespace of this process
	groups     map[string]bool
	addresses  map[string]bool // of its interfaces
	networks   map[int]bool    // that its processes are in, as a peer
	cgroups    map[string]bool
}

// of is without what cannot be the cluster's own.
func (now traces) of(own belongings) traces {
	now.mounts = slices.DeleteFunc(slices.Clone(now.mounts), func(m mount) bool {
		below := strings.Contains(m.says+" ", own.dir+"/") || strings.Contains(m.says+" ", own.dir+" ")
		return !own.sameMounts && !own.groups[m.group] && !below
	})
	now.interfaces = slices.DeleteFunc(
		slices.Clone(now.interfaces),
		func(i iface) bool { return !own.addresses[i.address] && !own.networks[i.peer] },
	)
	now.cgroups = slices.DeleteFunc(
		slices.Clone(now.cgroups),
		func(dir string) bool { return !own.cgroups[filepath.Base(dir)] },
	)
	return now
}

func (now traces) none() bool {
	return len(now.processes)+len(now.listeners)+len(now.mounts)+len(now.interfaces)+len(now.cgroups) == 0
}

// belongingsOf looks at a cluster that runs below this process.
func belongingsOf(t *testing.T, c *Cluster, components []Status) belongings {
	t.Helper()
	own := belongings{
		dir:    c.dir,
		groups: map[string]bool{}, addresses: map[string]bool{}, networks: map[int]bool{},
		cgroups: map[string]bool{strings.Trim(cgroupOf(c.dir), "/"): true},
	}
	machines, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range components {
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", s.Pid))
		if err != nil {
			t.Fatal(err)
		}
		own.sameMounts = own.sameMounts || its == machines
	}
	for _, p := range below(t, os.Getpid()) {
		read := func(file string) string { // nothing, of one that has ended
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
			return string(text)
		}
		if its, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", p.pid)); its != machines {
			for _, m := range mountsOf(read("mountinfo")) {
				own.groups[m.group] = m.group != ""
			}
		}
		if number, err := netlink.GetNetNsIdByPid(p.pid); err == nil {
			own.networks[number] = number >= 0
		}
		for name := range strings.FieldsFuncSeq(read("cgroup"), func(r rune) bool { return r == '/' || r == '\n' }) {
			own.cgroups[name] = own.cgroups[name] || strings.HasPrefix(name, "copytrigger-")
		}
	}
	for _, i := range interfacesOf(t, c.network) {
		own.addresses[i.address] = i.address != ""
	}
	return own
}
