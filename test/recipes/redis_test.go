package recipes

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// redis is a Redis on a data directory.
type redis struct {
	*process
	data   string
	socket string
	port   string
	log    bool // append-only files, or a dump now and then
}

func (r *redis) client() []string { return []string{"redis-cli", "-s", r.socket} }

func (r *redis) insert(n int64) string { return fmt.Sprintf("ZADD ledger %d %[1]d", n) }

func (r *redis) do(b *bench, args ...string) string {
	b.Helper()
	return b.run(append(r.client(), args...)...)
}

func (r *redis) numbers(b *bench) (count, highest int64) {
	b.Helper()
	text := r.do(b, "ZRANGE", "ledger", "-1", "-1")
	if text == "" {
		text = "0"
	}
	return b.two(r.do(b, "ZCARD", "ledger") + " " + text)
}

func (r *redis) secret() map[string]string {
	return map[string]string{"REDIS_HOST": "127.0.0.1", "REDIS_PORT": r.port, "REDISCLI_AUTH": "secret"}
}

// blocked asks for a client that waits, by its flag, with a write.
func (r *redis) blocked(b *bench) bool {
	b.Helper()
	for line := range strings.Lines(r.do(b, "CLIENT", "LIST")) {
		if strings.Contains(line, " flags=b") && strings.Contains(line, " cmd=zadd") {
			return true
		}
	}
	return false
}

func (r *redis) free(b *bench, _ *harness.Process) { b.Helper(); r.do(b, "CLIENT", "UNPAUSE") }

func (r *redis) still(_ *bench, do func()) { do() }

func (r *redis) restored(b *bench, dir string) database {
	b.Helper()
	return b.redis(filepath.Join(dir, "redis"), r.log)
}

// redis starts a server with the user that the recipe asks for.
func (b *bench) redis(data string, log bool) *redis {
	b.Helper()
	dir := b.folder("redis")
	r := &redis{data: data, socket: filepath.Join(dir, "s"), port: freePort(b), log: log}
	only := "no"
	if log {
		only = "yes"
	}
	r.process = b.background(
		filepath.Base(dir),
		syscall.SIGKILL,
		command("redis-server", "--dir", data, "--unixsocket", r.socket,
			"--bind", "127.0.0.1", "--port", r.port, "--appendonly", only, "--save", "3600", "1",
			"--user", "backup", "on", ">secret", "+client|pause", "+client|unpause", "+info", "+bgsave"),
	)
	b.Eventually("Redis to answer", func() bool {
		select {
		case <-r.ended:
			b.Fatalf("Redis has ended")
		default:
		}
		said, err := output(b.Ctx, append(r.client(), "PING")...)
		return err == nil && said == "PONG"
	})
	return r
}

func freePort(b *bench) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.Must(err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func startRedis(log bool) func(*bench) subject {
	return func(b *bench) subject {
		b.Helper()
		data := filepath.Join(b.volume, "redis")
		b.Must(os.Mkdir(data, 0o755))
		b.own(data)
		return b.redis(data, log)
	}
}

// A hold that is told to end again and again ends the pause: a process whose threads end one after
// the other tells what it has started so at each of them (prctl(2), PR_SET_PDEATHSIG), and bash runs
// a trap of SIGTERM in the middle of that of EXIT. Four at a time, since it needs a busy machine to
// be cut short: 37 of 400 were, where the second signal was not minded.
func TestRedisToldToEndAgain(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "redis-server", "bash")
			s := startRedis(false)(b).(*redis)
			r := b.recipe("redis", s.secret())
			r.patient()
			_, env := r.command(&r.pod().Containers[0])
			env = append(env, "COPYTRIGGER_MAX_FREEZE_SECONDS=600")
			for range 20 {
				b.toldToEnd(env, filepath.Join(r.volumes["scripts"], "hold.sh"))
				// A write while all writes are paused has no answer.
				answered, giveUp := context.WithTimeout(b.Ctx, 10*time.Second)
				if _, err := output(answered, append(s.client(), "SET", "now", "written")...); err != nil {
					t.Errorf("the hold ended, and writes stay paused: %v", err)
					s.free(b, nil)
				}
				giveUp()
			}
		})
	}
}

// toldToEnd starts a hold in bash, and as soon as the application is quiesced tells it to end, until
// it has. Its stdin stays open.
func (b *bench) toldToEnd(env []string, script string) {
	b.Helper()
	hold := command("bash", script)
	hold.Env = env
	hold.SysProcAttr.Credential = nil // as what copytrigger starts
	_, err := hold.StdinPipe()
	b.Must(err)
	stdout, err := hold.StdoutPipe()
	b.Must(err)
	b.Must(launch()(hold))
	said, err := bufio.NewReader(stdout).ReadString('\n')
	b.Must(err)
	if said != "QUIESCED\n" {
		b.Fatalf("the hold said %q", said)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = hold.Wait() // it ends with a signal's code, or with 0
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(time.Duration(rand.Int64N(4000)) * time.Microsecond):
			_ = hold.Process.Signal(syscall.SIGTERM) // it may have ended just now
		}
	}
}
