package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one run of the program.
type Process struct {
	site  *Site
	cmd   *exec.Cmd
	args  []string
	out   *output // stdout
	err   *output // stderr
	ended chan struct{}
	over  time.Time // when it ended
	peak  func() int64
}

// Start starts a command of the program on the claim.
func (s *Site) Start(command string, args ...string) *Process {
	s.Helper()
	return s.StartRaw(append([]string{command, "--pvc", s.claim}, args...)...)
}

// StartRaw starts the program with just these arguments.
func (s *Site) StartRaw(args ...string) *Process {
	s.Helper()
	p := s.process(args)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	p.start()
	return p
}

// StartIn is StartRaw with more environment, as a container has it.
func (s *Site) StartIn(env []string, args ...string) *Process {
	s.Helper()
	p := s.process(args)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.WaitDelay = time.Second // what it has started may stay, and have its stderr
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	p.start()
	return p
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// StartUnread starts a command of the program on the claim, with nobody at the other end
// of stderr.
func (s *Site) StartUnread(command string, args ...string) *Process {
	s.Helper()
	reader, writer, err := os.Pipe()
	s.Must(err)
	s.Must(reader.Close())
	p := s.process(append([]string{command, "--pvc", s.claim}, args...))
	p.cmd.Stdout, p.cmd.Stderr = p.out, writer
	p.start()
	s.Must(writer.Close())
	return p
}

func (s *Site) process(args []string) *Process {
	p := &Process{site: s, args: args, out: newOutput(), err: newOutput(), ended: make(chan struct{})}
	p.cmd = exec.Command(or(s.program, shared.binary), args...)
	p.cmd.Env = []string{
		"KUBECONFIG=" + s.Kubeconfig,
		"HOME=" + s.TempDir(),
		"GOTRACEBACK=all",
		"GORACE=atexit_sleep_ms=0",
	}
	p.cmd.Env = append(p.cmd.Env, s.env...)
	return p
}

func (p *Process) start() {
	s := p.site
	s.Helper()
	s.Must(p.cmd.Start())
	s.history.add(p)
	p.peak = Memory(p.Pid(), p.ended)
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		p.over = time.Now()
		close(p.ended)
	}()
	s.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
}

// Run runs a command of the program on the claim to its end.
func (s *Site) Run(command string, args ...string) *Result {
	s.Helper()
	return s.Start(command, args...).End()
}

// Says waits until the program has said something on stderr.
func (p *Process) Says(text string) { p.site.Helper(); p.writes(p.err, text) }

// Prints waits until the program has said something on stdout.
func (p *Process) Prints(text string) { p.site.Helper(); p.writes(p.out, text) }

func (p *Process) writes(to *output, text string) {
	p.site.Helper()
	for {
		changed := to.changed()
		if strings.Contains(to.String(), text) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			if !strings.Contains(to.String(), text) {
				p.site.Fatalf("%s ended without saying %q", p, text)
			}
			return
		case <-p.site.Ctx.Done():
			p.site.Fatalf("%s has not said %q", p, text)
		}
	}
}

// Signal sends a signal.
func (p *Process) Signal(signal os.Signal) {
	p.site.Helper()
	p.site.Must(p.cmd.Process.Signal(signal))
}

// Insist sends a signal again and again until the program has ended.
func (p *Process) Insist(signal os.Signal) {
	p.site.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-p.site.Ctx.Done():
			p.site.Fatalf("%s does not end", p)
		case <-again.C:
			_ = p.cmd.Process.Signal(signal) // it may have ended just now
		}
	}
}

// AwaitSignalled waits until the program has got its signals. What it does then shows
// nowhere while it is in the middle of a request, so it is given a moment.
func (p *Process) AwaitSignalled() {
	p.site.Helper()
	const moment = 50 * time.Millisecond
	for none := 0; none < 2; {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		p.site.Must(err)
		if strings.Contains(string(text), "ShdPnd:\t0000000000000000") {
			none++
		}
		time.Sleep(moment)
	}
}

// Kill ends it as a lost node would, and returns when it is gone.
func (p *Process) Kill() {
	p.site.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// End waits for the program's end.
func (p *Process) End() *Result {
	p.site.Helper()
	select {
	case <-p.ended:
	case <-p.site.Ctx.Done():
		p.site.Fatalf("%s does not end", p)
	}
	r := &Result{site: p.site, process: p, Code: p.code(), Stdout: p.out.String(), Stderr: p.err.String()}
	if r.Stdout != "" {
		// What is no JSON has no values; Ends complains.
		_ = json.Unmarshal([]byte(r.Stdout), &r.Values)
	}
	return r
}

// Cost is what a process that has ended took of the machine.
type Cost struct {
	CPU   time.Duration
	Peak  int64 // of its memory, in bytes
	Ended time.Time
}

// Cost waits for the program's end. It is asked once.
func (p *Process) Cost() Cost {
	p.site.Helper()
	p.End()
	return Cost{
		CPU: p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), Peak: p.peak(), Ended: p.over,
	}
}

// code is the exit code, as a shell would tell it.
func (p *Process) code() int {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ copytrigger %s\n", strings.Join(p.args, " "))
	indent(&b, p.out.String())
	indent(&b, p.err.String())
	select {
	case <-p.ended:
		fmt.Fprintf(&b, "  (exit code %d)\n", p.code())
	default:
		fmt.Fprintf(&b, "  (still running)\n")
	}
	return b.String()
}

func indent(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "  %s", line)
	}
}

// history is every run of the program in a site.
type history struct {
	mu  sync.Mutex
	all []*Process
}

func (h *history) add(p *Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, p)
}

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, p := range h.all {
		b.WriteString(p.String())
	}
	return b.String()
}

// output is what a program writes, to be read while it writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) changed() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.more
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
