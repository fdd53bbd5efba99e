package recipes

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// backup is the ReplicationSource's name in the recipes, and copyName VolSync's copy for it.
const (
	backup   = "backup"
	copyName = "volsync-" + backup + "-src"
)

// example is what the YAML of a recipe says.
type example struct {
	cron    batchv1.CronJob
	scripts corev1.ConfigMap
	secret  corev1.Secret
	roles   []rbacv1.Role
	all     []runtime.Object
}

func read(t harness.T, name string) *example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "recipes", name+".yaml"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	x := &example{}
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		var into runtime.Object
		decode := func() {
			if err := yaml.UnmarshalStrict(doc, into); err != nil {
				t.Fatalf("%s: %s: %v", name, kind.Kind, err)
			}
			x.all = append(x.all, into)
		}
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch kind.Kind {
		case "CronJob":
			into = &x.cron
		case "ConfigMap":
			into = &x.scripts
		case "Secret":
			into = &x.secret
		case "Role":
			into = &rbacv1.Role{}
		case "RoleBinding":
			into = &rbacv1.RoleBinding{}
		case "ServiceAccount":
			into = &corev1.ServiceAccount{}
		case "PersistentVolumeClaim":
			into = &corev1.PersistentVolumeClaim{}
		default:
			t.Fatalf("%s: what is a %s?", name, kind.Kind)
		}
		decode()
		if role, is := into.(*rbacv1.Role); is {
			x.roles = append(x.roles, *role)
		}
	}
	return x
}

// recipe is an example in the hands of a test: the volumes of its pod are directories.
type recipe struct {
	*harness.Site
	example *example
	secret  map[string]string // values instead of those of the Secret
	volumes map[string]string // directories by the name of the pod's volume
	uid     string            // of the Job
}

// recipe reads an example. Values of its Secret may be replaced; it must have them.
func (b *bench) recipe(name string, secret map[string]string) *recipe {
	b.Helper()
	r := &recipe{Site: b.Site, example: read(b.Site, name), secret: map[string]string{}, volumes: map[string]string{}}
	for key, value := range r.example.secret.StringData {
		r.secret[key] = value
	}
	for key, value := range secret {
		if _, is := r.secret[key]; !is {
			b.Fatalf("the Secret of %s has no %s", name, key)
		}
		r.secret[key] = value
	}
	r.uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
	for _, v := range r.pod().Volumes {
		r.volumes[v.Name] = r.volume(b, v)
	}
	var rules []rbacv1.PolicyRule
	for _, role := range r.example.roles {
		rules = append(rules, role.Rules...)
	}
	r.Site = b.With(b.Account("recipe", rules))
	return r
}

func (r *recipe) pod() *corev1.PodSpec { return &r.example.cron.Spec.JobTemplate.Spec.Template.Spec }

// volume is what the kubelet would mount.
func (r *recipe) volume(b *bench, v corev1.Volume) string {
	b.Helper()
	if c := v.PersistentVolumeClaim; c != nil && c.ClaimName == harness.Claim {
		return b.volume
	}
	dir := b.folder(v.Name)
	files := map[string]string{}
	switch {
	case v.ConfigMap != nil && v.ConfigMap.Name == r.example.scripts.Name:
		files = r.example.scripts.Data
	case v.Secret != nil && v.Secret.SecretName == r.example.secret.Name:
		files = r.secret
	case v.EmptyDir != nil || v.PersistentVolumeClaim != nil:
	default:
		b.Fatalf("volume %s is of nothing that the example has", v.Name)
	}
	for name, text := range files {
		b.Must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// command is what a container runs, with its volumes where they are here, and its
// environment.
func (r *recipe) command(c *corev1.Container) (args, env []string) {
	r.Helper()
	var paths []string
	for _, m := range c.VolumeMounts {
		paths = append(paths, m.MountPath, r.volumes[m.Name])
	}
	here := strings.NewReplacer(paths...)
	for _, arg := range slices.Concat(c.Command, c.Args) {
		args = append(args, here.Replace(arg))
	}
	env = append(env, "PATH="+searchPath(), "LC_ALL=C", "KUBECONFIG="+r.Kubeconfig)
	for _, from := range c.EnvFrom {
		if from.SecretRef == nil || from.SecretRef.Name != r.example.secret.Name {
			r.Fatalf("%s: environment from something else than the Secret", c.Name)
		}
		for key, value := range r.secret {
			env = append(env, key+"="+value)
		}
	}
	for _, e := range c.Env {
		value := here.Replace(e.Value)
		if e.ValueFrom != nil {
			if e.ValueFrom.FieldRef == nil ||
				e.ValueFrom.FieldRef.FieldPath != "metadata.labels['batch.kubernetes.io/controller-uid']" {
				r.Fatalf("%s: the value of %s is from elsewhere", c.Name, e.Name)
			}
			value = r.uid
		}
		env = append(env, e.Name+"="+value)
	}
	return args, env
}

// searchPath has the programs that Debian keeps from users, too.
func searchPath() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// start starts the container as it is shipped, with some of its flags set otherwise.
func (r *recipe) start(flags ...string) *harness.Process {
	r.Helper()
	if len(r.pod().Containers) != 1 {
		r.Fatalf("%d containers", len(r.pod().Containers))
	}
	args, env := r.command(&r.pod().Containers[0])
	if want := filepath.Join(r.volumes["program"], "copytrigger"); args[0] != want {
		r.Fatalf("the program is %s, want %s", args[0], want)
	}
	return r.StartIn(env, append(args[1:], flags...)...)
}

// patient lets the application take its time before anything is given up, as it may on a
// busy machine.
func (r *recipe) patient() {
	for _, e := range r.pod().Containers[0].Env {
		if e.Name == "LOCK_WAIT" || e.Name == "REDIS_TIMEOUT" {
			r.set(e.Name, "50")
		}
	}
}

// begin gets as far as a quiesced application, with the copy held back before it is cut.
// Unless told otherwise, the freeze may last longer than any of these tests takes.
func (r *recipe) begin(flags ...string) (*harness.Process, harness.Hold) {
	r.Helper()
	held := r.Hold()
	source := held.Source("Snapshot")
	source.Name = backup
	r.ReplicateAndWait(source)
	run := r.start(append([]string{"--max-freeze=10m"}, flags...)...)
	run.Says(" is set") // or has ended
	r.AwaitStatus(harness.InProgress)
	return run, held
}
