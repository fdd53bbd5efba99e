package cluster

import (
	"os"
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
