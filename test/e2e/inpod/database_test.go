package inpod

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/copytrigger/copytrigger/test/devcluster/cluster"
	"github.com/copytrigger/copytrigger/test/e2e/application"
	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// database is an application in a pod, which writes numbers to a database on the claim, one after
// the other, each only when the one before it was acknowledged. All of it is shell.
type database struct {
	name   string // of the subtests
	recipe string // in docs/recipes
	image  string
	// server makes a database in /data if there is none, and starts it; when it has ended it answers.
	server string
	write  string // writes number $1: to repeat it does no harm
	// numbers says how many there are, and the highest.
	numbers string
	blocked string // ends with 0 if a write waits
	free    string // takes the lock away behind the recipe's back
	lost    string // what the run says then
	// frozen is a filesystem of its own on the claim, which is mounted elsewhere.
	frozen bool
	// pause is the program that must not write while this storage copies file by file: its copy has
	// to be one of a moment, which no lock of it makes.
	pause string
	// inDoubt is how many writes may be in the copy that were not acknowledged.
	inDoubt int64
}

const (
	mariadbServer = `
cd /data
my="mariadbd --no-defaults --datadir=/data/mysql --skip-networking --skip-log-bin --innodb-log-file-size=4M
	--innodb-buffer-pool-size=16M --innodb-flush-log-at-trx-commit=2 --innodb-fast-shutdown=2 --pid-file=/tmp/pid"
if [ ! -e mysql ]; then
	mariadb-install-db --no-defaults --datadir=/data/mysql --auth-root-authentication-method=normal --skip-test-db \
		--innodb-log-file-size=4M >/dev/null
	$my --bootstrap <<END
FLUSH PRIVILEGES;
CREATE DATABASE app;
CREATE TABLE app.ledger (entry BIGINT PRIMARY KEY, filler TEXT) ENGINE=InnoDB;
ALTER USER root@localhost IDENTIFIED BY 'secret';
END
fi
$my --socket=/run/mysqld/mysqld.sock &
until MYSQL_PWD=secret mariadb -u root app -e 'SELECT 1' >/dev/null 2>&1; do sleep 0.1; done`
	mariadbWrite = `MYSQL_PWD=secret mariadb -u root app -e \
		"INSERT INTO ledger VALUES ($1, REPEAT('.', 300)) ON DUPLICATE KEY UPDATE entry = entry"`
	mariadbNumbers = `MYSQL_PWD=secret mariadb -u root -BN app -e 'SELECT COUNT(*), COALESCE(MAX(entry), 0) FROM ledger'`
	mariadbBlocked = `MYSQL_PWD=secret mariadb -u root -BN -e "SELECT COUNT(*) FROM information_schema.processlist
		WHERE state LIKE 'Waiting for%' AND info LIKE 'INSERT%'" | grep -qx 1`
	// The oldest session that does nothing: the client that is to kill it is one, too.
	mariadbFree = `MYSQL_PWD=secret mariadb -u root -BN -e "SELECT CONCAT('KILL ', id, ';')
		FROM information_schema.processlist WHERE user = 'root' AND command = 'Sleep' ORDER BY id LIMIT 1" |
		MYSQL_PWD=secret mariadb -u root`

	redisServer = `
redis-server --dir /data --bind 127.0.0.1 --save 3600 1 --appendonly %s >/tmp/log &
until [ "$(redis-cli PING)" = PONG ]; do sleep 0.1; done`
	redisWrite   = `redis-cli ZADD ledger "$1" "$1" | grep -qx '[01]'`
	redisNumbers = `echo "$(redis-cli ZCARD ledger)" "$(redis-cli ZRANGE ledger -1 -1)"`
	redisBlocked = `redis-cli CLIENT LIST | grep ' flags=b' | grep -q ' cmd=zadd'`

	sqliteServer = `
[ -e /data/app.db ] || sqlite3 /data/app.db \
	'PRAGMA journal_mode = WAL; CREATE TABLE ledger (entry INTEGER PRIMARY KEY, filler TEXT)' >/dev/null`
	sqliteWrite = `sqlite3 -batch -bail -cmd '.timeout 600000' /data/app.db \
		"INSERT OR REPLACE INTO ledger VALUES ($1, printf('%.300c', '.'))"`
	sqliteNumbers = `[ "$(sqlite3 /data/app.db 'PRAGMA integrity_check')" = ok ] &&
		sqlite3 -separator ' ' /data/app.db 'SELECT count(*), coalesce(max(entry), 0) FROM ledger'`

	postgresServer = `
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
[ -e /data/pgdata ] || initdb --pgdata=/data/pgdata --username=postgres --auth=trust --no-sync >/dev/null
rm -f /data/pgdata/postmaster.pid
postgres -D /data/pgdata -c listen_addresses= -c unix_socket_directories=/tmp -c shared_buffers=16MB -c fsync=off &
until psql -U postgres -c 'CREATE TABLE IF NOT EXISTS ledger (n bigint PRIMARY KEY)' >/dev/null 2>&1; do
	sleep 0.1
done`
)

func databases() []database {
	maria := database{
		image: cluster.DatabasesImage, server: mariadbServer, write: mariadbWrite, numbers: mariadbNumbers,
		blocked: mariadbBlocked, free: mariadbFree, lost: "was not quiesced until the end", pause: "mariadbd",
	}
	redis := database{
		recipe: "redis", image: cluster.DatabasesImage, write: redisWrite, numbers: redisNumbers,
		blocked: redisBlocked, free: "redis-cli CLIENT UNPAUSE", lost: "was not quiesced until the end",
	}
	sqlite := database{
		name: "sqlite", recipe: "sqlite", image: cluster.DatabasesImage,
		server: sqliteServer, write: sqliteWrite, numbers: sqliteNumbers,
		blocked: "! sqlite3 /data/app.db 'BEGIN IMMEDIATE; ROLLBACK'",
		free:    "pkill -f '^sqlite3 -batch -bail /data/app.db$'", lost: "was not quiesced until the end",
	}
	mariadb, mysql, withLog, dumped, frozen := maria, maria, redis, redis, sqlite
	mariadb.name, mariadb.recipe = "mariadb", "mariadb"
	mysql.name, mysql.recipe = "mysql", "mysql"
	withLog.name, withLog.server = "redis", fmt.Sprintf(redisServer, "yes")
	dumped.name, dumped.server = "redis-rdb", fmt.Sprintf(redisServer, "no")
	frozen.name, frozen.recipe, frozen.frozen, frozen.inDoubt = "fsfreeze", "fsfreeze", true, 1
	frozen.server = `
[ -e /claim/fs ] || { truncate -s 32M /claim/fs; mkfs.ext4 -qF /claim/fs; }
mkdir -p /data && mount -o loop /claim/fs /data` + sqliteServer
	frozen.blocked = "ps -eo stat,comm | grep -q '^D.*sqlite3'"
	frozen.free, frozen.lost = "fsfreeze -u /data", "was not quiesced until the end"
	return []database{mariadb, mysql, sqlite, withLog, dumped, frozen}
}

// postgres is one whose recipe holds nothing back.
func postgres() database {
	return database{
		name: "postgresql", recipe: "postgresql", image: cluster.DebianImage, server: postgresServer,
		write:   `psql -U postgres -c "INSERT INTO ledger VALUES ($1) ON CONFLICT DO NOTHING"`,
		numbers: `psql -U postgres -XAt -F ' ' -c 'SELECT count(*), coalesce(max(n), 0) FROM ledger'`, pause: "postgres",
	}
}

// writes is the application: what was acknowledged last is in a file.
const writes = `
write() { %s; }
n=0
while :; do
	write $((n + 1)) </dev/null >/dev/null 2>&1 || continue
	n=$((n + 1))
	echo $n >/tmp/acked.next && mv /tmp/acked.next /tmp/acked
done`

// pod is the application on a claim; one that is restored does not write.
func (d database) pod(name, claim string, restored bool) *corev1.Pod {
	script := d.server + "\necho >/tmp/ready\n"
	if restored {
		script += "exec sleep infinity"
	} else {
		script += fmt.Sprintf(writes, d.write)
	}
	yes, no, user, grace := true, false, int64(cluster.PostgresUser), int64(1)
	container := corev1.Container{
		Name: "main", Image: d.image, Command: []string{"bash", "-ec", script},
		Env: []corev1.EnvVar{
			{Name: "MARIADB_ROOT_PASSWORD", Value: "secret"}, {Name: "MYSQL_ROOT_PASSWORD", Value: "secret"},
			{Name: "PGHOST", Value: "/tmp"},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "data", MountPath: "/data"}, {Name: "tmp", MountPath: "/tmp"}, {Name: "tmp", MountPath: "/run/mysqld"},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	spec := corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
	if d.frozen {
		spec.SecurityContext, container.SecurityContext = nil, &corev1.SecurityContext{Privileged: &yes}
		container.VolumeMounts[0].MountPath = "/claim"
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "dev", MountPath: "/dev"})
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "dev", VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: "/dev"}, // loop devices
		}})
	}
	spec.Containers = []corev1.Container{container}
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

// bench is a namespace with an application on the claim, that writes.
type bench struct {
	*application.Site
	of    database
	probe *harness.Site // with the right to look into the pods
}

// start starts a pod, and returns when its database answers.
func (b *bench) start(pod *corev1.Pod) {
	b.Helper()
	_, err := b.Kube().CoreV1().Pods(b.Namespace).Create(b.Ctx, pod, metav1.CreateOptions{})
	b.Must(err)
	b.Await(application.Kinds["Pod"], pod.Name, "running", func(o *unstructured.Unstructured) bool {
		phase := application.Text(o, "status", "phase")
		if phase == "Failed" {
			b.Fatalf("the pod has ended: %s", b.Log(b.Ctx, pod.Name, "main"))
		}
		return phase == "Running"
	})
	b.Eventually("the database to answer", func() bool {
		return b.in(pod.Name, "[ -e /tmp/ready ]") == nil
	})
}

// in runs a command in a pod, and is nil if it ended with 0.
func (b *bench) in(pod, command string) error {
	b.Helper()
	_, err := b.output(pod, command)
	return err
}

// output is what a command in a pod has said.
func (b *bench) output(pod, command string) (string, error) {
	b.Helper()
	r := b.probe.Run("exec", "--pod", pod, "--command", command)
	var said []string
	for line := range strings.Lines(r.Stderr) {
		if text, is := strings.CutPrefix(line, "["+pod+"] "); is {
			said = append(said, strings.TrimSpace(text))
		}
	}
	if r.Code != 0 {
		return "", fmt.Errorf("%s: exit code %d: %s", command, r.Code, r.Stderr)
	}
	return strings.Join(said, "\n"), nil
}

// must runs a command in the application's pod.
func (b *bench) must(command string) string {
	b.Helper()
	said, err := b.output("app", command)
	b.Must(err)
	return said
}

// acked is the last number that was acknowledged.
func (b *bench) acked() int64 {
	b.Helper()
	n, err := strconv.ParseInt(b.must("cat /tmp/acked 2>/dev/null || echo 0"), 10, 64)
	b.Must(err)
	return n
}

// awaitWrites waits for some more acknowledged writes: the application runs.
func (b *bench) awaitWrites(more int64) {
	b.Helper()
	from := b.acked()
	b.Eventually("writes", func() bool { return b.acked() >= from+more })
}

func (b *bench) awaitBlocked() {
	b.Helper()
	b.Eventually("a write to wait", func() bool { return b.in("app", b.of.blocked) == nil })
}

// still runs do in a state in which a copy file by file is as good as one of a moment.
func (b *bench) still(do func()) {
	b.Helper()
	if b.of.pause == "" {
		do()
		return
	}
	b.must("pkill -STOP -x " + b.of.pause)
	defer b.must("pkill -CONT -x " + b.of.pause)
	do()
}
