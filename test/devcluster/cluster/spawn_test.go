package cluster

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A goroutine cannot ask for a thread; but while more and more others are taken, the process's
// first one would be among them.
func TestOwnThreadIsNotTheFirst(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	seen := map[int]bool{}
	for range 100 {
		thread := make(chan int)
		onOwnThread(func() { thread <- syscall.Gettid(); <-end })
		id := <-thread
		if id == os.Getpid() {
			t.Fatal("it is the first")
		}
		if seen[id] {
			t.Fatal("it is that of another")
		}
		seen[id] = true
	}
}

// The first process that this one starts may be the first of a namespace.
func TestIsolatedComesFirst(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes namespaces, which needs root")
	}
	const variable = "COPYTRIGGER_STARTS_FIRST"
	if os.Getenv(variable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestIsolatedComesFirst$")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s, err := newSpawner(true)
	if err != nil {
		t.Skip(err) // root may lack the right to
	}
	defer s.end()
	cmd := exec.Command("sleep", "1000")
	if err := s.start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
