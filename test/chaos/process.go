package chaos

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// files are what the actors of a coordination are run with.
type files struct{ program, script, steps, hand, path, home string }

// newFiles writes them to a directory.
func newFiles(dir, program string) (files, error) {
	f := files{
		program: program, script: filepath.Join(dir, "application"), steps: filepath.Join(dir, "steps"),
		hand: filepath.Join(dir, "hand"), path: filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), home: dir,
	}
	for name, text := range map[string]string{f.script: Script, f.steps: Steps, f.hand: Hand} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			return f, err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return f, err
	}
	return f, os.Symlink(program, filepath.Join(dir, "bin", "copytrigger"))
}

// process is one that runs. It is the first of a session of its own, so that all it has started
// can be found.
type process struct {
	name  string
	cmd   *exec.Cmd
	start time.Time
	ended chan struct{}
	// advice is a command that it has printed for who knows that what it waits for is dead.
	advice chan string

	mu     sync.Mutex
	said   strings.Builder
	killed bool
}

// start starts a process whose lines go to the timeline.
func start(t *Timeline, name string, args, env []string, f files) (*process, error) {
	if args[0] != "bash" {
		args = append([]string{f.program}, args...)
	}
	p := &process{name: name, cmd: exec.Command(args[0], args[1:]...), ended: make(chan struct{}),
		advice: make(chan string, 1)}
	p.cmd.Env = env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What it has left running has its stderr, and is heard to its end.
	p.cmd.WaitDelay = time.Minute
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.start = t.Add(name, "$ %s", strings.Join(append([]string{filepath.Base(args[0])}, args[1:]...), " "))
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.said.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			t.Mark("looked "+name, name, "%s", lines.Text())
			if found := ifDead().FindStringSubmatch(lines.Text()); found != nil {
				select {
				case p.advice <- found[1]:
				default: // it has been said before
				}
			}
		}
	}()
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		_ = w.Close()
		<-heard
		t.Mark("ended "+name, name, "(ends with %d)", p.code())
		close(p.ended)
	}()
	return p, nil
}

// ifDead finds that command.
func ifDead() *regexp.Regexp { return regexp.MustCompile(`if it is surely dead: (copytrigger [^(]+)`) }

// code is the exit code, as a shell would tell it.
func (p *process) code() int {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal: to the process group, as a terminal does; what kills or stops goes to
// all of the session, as the end or the stalling of a pod does.
func (p *process) signal(s syscall.Signal) {
	pid := p.cmd.Process.Pid
	switch s {
	case syscall.SIGKILL:
		p.mu.Lock()
		p.killed = true
		p.mu.Unlock()
		for range 3 { // what is just being started is found the next time
			each(pid, "", syscall.SIGSTOP)
		}
		each(pid, "", syscall.SIGKILL)
	case syscall.SIGSTOP, syscall.SIGCONT:
		each(pid, "", s)
	default:
		_ = syscall.Kill(-pid, s)
	}
}

// killStep kills the program in a script, which goes on.
func (p *process) killStep() { each(p.cmd.Process.Pid, "copytrigger", syscall.SIGKILL) }

// each sends a signal to every process of a session, or to those with the name.
func each(session int, name string, s syscall.Signal) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid pgrp session …
		head, tail, _ := strings.Cut(string(text), ") ")
		rest := strings.Fields(tail)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(rest) > 3 && rest[3] == fmt.Sprint(session) && (name == "" || strings.HasSuffix(head, "("+name)) {
			_ = syscall.Kill(pid, s)
		}
	}
}

// facts are how it ended.
func (p *process) facts(run string, form Form) Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Process{
		Name: p.name, Run: run, Form: form, Start: p.start, End: time.Now(),
		Code: p.code(), Killed: p.killed, Said: p.said.String(),
	}
}
