//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copytrigger/copytrigger/internal/ownprocess"
)

// As process 1, what a command leaves becomes ours: nobody else asks how it has ended.
func TestEndReaps(t *testing.T) {
	if !ownprocess.Here(t) {
		return
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Skip(err)
	}
	p, err := Command{Args: []string{"sh", "-c", "sleep 600 & exec sleep 600"}, Env: os.Environ()}.Start()
	if err != nil {
		t.Fatal(err)
	}
	if !p.End() {
		t.Error("it was not ended")
	}
	// There is no child left, not even one that has ended.
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("got %d, %v: a child is left", pid, err)
	}
}

// A process that has ended, and that its parent never asks about, is not waited for.
func TestZombiesDoNotCount(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, group, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(-group, 0) != nil || !allZombies(group) {
		t.Error("one that has ended counts")
	}
	_ = cmd.Wait()
	living := exec.Command("sleep", "600")
	living.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := living.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = living.Process.Kill(); _ = living.Wait() }()
	if !groupLives(living.Process.Pid) {
		t.Error("one that runs does not count")
	}
}

func TestParseStat(t *testing.T) {
	for text, want := range map[string]string{
		"7 (sh) Z 1 42 42 0 -1":       "Z 42",
		"7 (a) b (c)) S 1 43 43 0 -1": "S 43",
		"7 (a\n) R 1 44":              "R 44",
		"":                            " 0",
		"7 (sh":                       " 0",
	} {
		state, group := parseStat([]byte(text))
		if got := fmt.Sprintf("%s %d", state, group); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What has ended in a group of its own, and is another process's to ask about, is not waited for.
func TestZombiesOfOthersDoNotCount(t *testing.T) {
	said, says := pipe(t)
	end, ends := pipe(t)
	// Its parent becomes a program that never asks, and says when it is that.
	parent := exec.Command("sh", "-c", `setsid head -n 1 <&3 >/dev/null & echo $!; exec tail -f "$0"`, oneLine(t))
	parent.Stdout, parent.ExtraFiles = says, []*os.File{end}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Process.Kill(); _ = parent.Wait() }()
	var group int
	var line string
	if _, err := fmt.Fscan(said, &group, &line); err != nil {
		t.Fatal(err)
	}
	if _, err := ends.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); !allZombies(group); runtime.Gosched() { // it is about to end
		if time.Now().After(limit) {
			t.Fatal("it does not end")
		}
	}
	if groupLives(group) {
		t.Error("one that has ended counts")
	}
}
