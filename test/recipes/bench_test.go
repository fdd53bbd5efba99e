package recipes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// nobody runs the databases: most refuse to be root.
const nobody = 65534

// bench is a site whose claim's volume a database can use, and a folder for everything else.
type bench struct {
	*harness.Site
	test   *testing.T
	volume string
	dir    string
}

// newBench skips the test where one of the programs is missing.
func newBench(t *testing.T, programs ...string) *bench {
	t.Helper()
	harness.Need(t)
	for _, name := range programs {
		if find(name) == "" {
			t.Skipf("%s is not installed: `make recipes` does it", name)
		}
	}
	b := &bench{Site: harness.New(t), test: t}
	b.volume = b.VolumeDir()
	var err error
	// Sockets are in it, whose paths have to be short.
	b.dir, err = os.MkdirTemp("", "recipe-")
	b.Must(err)
	b.Cleanup(func() { b.Must(os.RemoveAll(b.dir)) })
	b.Must(os.Chmod(b.dir, 0o755))
	b.own(b.volume)
	return b
}

// find is the path of a program; "" if there is none.
func find(name string) string {
	for _, dir := range append(filepath.SplitList(searchPath()), postgresPrograms()) {
		if path := filepath.Join(dir, name); dir != "" && executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// folder makes a folder that the databases' user can write to.
func (b *bench) folder(name string) string {
	b.Helper()
	dir, err := os.MkdirTemp(b.dir, name+"-")
	b.Must(err)
	b.Must(os.Chmod(dir, 0o755))
	b.own(dir)
	return dir
}

func (b *bench) own(path string) {
	b.Helper()
	if os.Geteuid() == 0 {
		b.Must(os.Chown(path, nobody, nobody))
	}
}

// launch starts processes from one thread, which never ends: the kernel tells a child of
// the end of the thread that started it (prctl(2), PR_SET_PDEATHSIG).
var launch = sync.OnceValue(func() func(*exec.Cmd) error {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return func(cmd *exec.Cmd) error {
		result := make(chan error)
		work <- func() { result <- cmd.Start() }
		return <-result
	}
})

// process is something that runs beside a test, and not longer.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// command is a program as the databases' user, in a process group of its own.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(find(args[0]), args[1:]...)
	cmd.Env = []string{"PATH=" + searchPath(), "LC_ALL=C", "HOME=/nonexistent"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// background starts a program, whose output goes to a file that is shown if the test fails.
func (b *bench) background(name string, stop os.Signal, cmd *exec.Cmd) *process {
	b.Helper()
	path := filepath.Join(b.dir, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	b.Must(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	p := &process{cmd: cmd, ended: make(chan struct{})}
	b.Must(launch()(cmd))
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	b.Cleanup(func() {
		p.end(stop)
		if text, err := os.ReadFile(path); err == nil && b.test.Failed() {
			b.Logf("%s:\n%s", name, tail(string(text), 15))
		}
	})
	return p
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// end ends it, by force if it takes long.
func (p *process) end(stop os.Signal) {
	for _, pid := range p.tree() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	_ = p.cmd.Process.Signal(stop)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// tree is the process and all that it has started: PostgreSQL's are in sessions of their
// own, so that no signal reaches them all.
func (p *process) tree() []int { return tree(p.cmd.Process.Pid) }

func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

func children(pid int) []int {
	var found []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file) // or it has just ended
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// stopped runs do while none of the process's tree does anything. The storage of these
// tests copies file by file; a copy of a time in which nobody writes is as good as one of a
// moment, which is what the storage has to give that these recipes are for. It stands in
// for nothing else: what is blocked by a lock must be so before.
func (b *bench) stopped(p *process, do func()) {
	b.Helper()
	signal := func(s syscall.Signal) {
		for _, pid := range p.tree() {
			_ = syscall.Kill(pid, s)
		}
	}
	b.Eventually("all of the database to stand still", func() bool {
		signal(syscall.SIGSTOP) // again, for those that were just being started
		for _, pid := range p.tree() {
			if state := stateOf(pid); state != "T" && state != "Z" && state != "" {
				return false
			}
		}
		return true
	})
	defer signal(syscall.SIGCONT)
	do()
}

// stateOf is a process's state; "" if there is no such process.
func stateOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name may have spaces and brackets.
	return string(text[strings.LastIndex(string(text), ")")+2])
}

// nameOf is the name of a process's program; "" if there is no such process.
func nameOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

// run runs a program of the database to its end.
func (b *bench) run(args ...string) string {
	b.Helper()
	said, err := output(b.Ctx, args...)
	b.Must(err)
	return said
}

func output(ctx context.Context, args ...string) (string, error) {
	cmd := command(args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := launch()(cmd); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, tail(said.String(), 5))
	}
	return strings.TrimSpace(said.String()), nil
}

// copyOf copies a folder for the databases' user.
func (b *bench) copyOf(dir string) string {
	b.Helper()
	to := b.folder("copy")
	said, err := exec.CommandContext(b.Ctx, "cp", "-a", "--reflink=auto", dir+"/.", to).CombinedOutput()
	if err != nil {
		b.Fatalf("copying %s: %v: %s", dir, err, said)
	}
	return to
}

// templates are folders that are made once, for they take long to make.
var templates struct {
	sync.Mutex
	dir  string
	made map[string]*template
}

type template struct {
	sync.Mutex
	dir string // "" until it is made
}

// template gives the folder of that name, which make makes if it is not there yet.
func (b *bench) template(name string, make func(dir string)) string {
	b.Helper()
	templates.Lock()
	if templates.made == nil {
		dir, err := os.MkdirTemp("", "recipes-")
		b.Must(err)
		templates.dir, templates.made = dir, map[string]*template{}
		b.Must(os.Chmod(dir, 0o755))
	}
	t := templates.made[name]
	if t == nil {
		t = &template{}
		templates.made[name] = t
	}
	templates.Unlock()
	t.Lock()
	defer t.Unlock()
	if t.dir == "" {
		dir, err := os.MkdirTemp(templates.dir, name+"-")
		b.Must(err)
		b.own(dir)
		make(dir)
		t.dir = dir
	}
	return t.dir
}
