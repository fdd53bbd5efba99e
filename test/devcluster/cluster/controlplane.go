package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
)

// plan is what all components must know of each other.
type plan struct {
	state    *state
	programs built
	pki      *pki
	probe    *prober
	ports    ports
	node     *node  // nil without one
	assets   string // folder of etcd and the API server, where they are not in kubeall
}

// ports on 127.0.0.1: outside is the API server's for everybody on this machine, api the
// one for its own components. They differ where those have a network of their own.
type ports struct {
	etcd, peer, api, manager, scheduler, volsync, kubelet, outside int
}

func pickPorts(node bool) (ports, error) {
	p, err := freePorts(8)
	if err != nil {
		return ports{}, err
	}
	all := ports{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]}
	if node {
		all.api = 443 // the port that the service "kubernetes" has
	} else {
		all.outside = all.api
	}
	return all, nil
}

func (p *plan) server() string { return "https://" + local(p.ports.api) }

// kubernetes is a component out of kubeall, or of the assets.
func (p *plan) kubernetes(name string, port int, path string, args ...string) spec {
	program := p.programs["kubeall"]
	if p.assets != "" && (name == "etcd" || name == "kube-apiserver") {
		program = filepath.Join(p.assets, name)
	} else {
		args = append([]string{name}, args...)
	}
	return spec{
		name:    name,
		program: program,
		args:    args,
		address: local(port),
		ready:   p.probe.get("https://" + local(port) + path),
	}
}

// etcd is shut to all but the API server: other users of the machine reach 127.0.0.1.
func (p *plan) etcd() spec {
	client, peer := "https://"+local(p.ports.etcd), "https://"+local(p.ports.peer)
	data := p.state.path("etcd")
	if p.node != nil {
		data = "/run/etcd" // in memory: a disk that is busy with images holds up everything
	}
	return p.kubernetes("etcd", p.ports.etcd, "/health",
		"--name=only", "--data-dir="+data,
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=only="+peer,
		"--client-cert-auth", "--trusted-ca-file="+p.pki.path("ca.crt"),
		"--cert-file="+p.pki.path("etcd.crt"), "--key-file="+p.pki.path("etcd.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file="+p.pki.path("ca.crt"),
		"--peer-cert-file="+p.pki.path("etcd.crt"), "--peer-key-file="+p.pki.path("etcd.key"),
		// Nothing is to survive a power cut.
		"--unsafe-no-fsync", "--log-level=warn",
	)
}

func (p *plan) apiserver() spec {
	args := []string{"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"}
	if p.node != nil {
		args = []string{
			// On all addresses of its own network.
			"--bind-address=0.0.0.0", "--advertise-address=" + serviceAddress,
			"--kubelet-client-certificate=" + p.pki.path(
				"kubelet-client.crt",
			), "--kubelet-client-key=" + p.pki.path("kubelet-client.key"),
			"--kubelet-certificate-authority=" + p.pki.path("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP",
			// Webhooks are reached at their pods, for there is no kube-proxy.
			"--enable-aggregator-routing=true",
		}
	}
	return p.kubernetes("kube-apiserver", p.ports.api, "/readyz", append(args,
		fmt.Sprintf("--secure-port=%d", p.ports.api),
		// 127.0.0.1 is no endpoint the service "kubernetes" may have.
		"--endpoint-reconciler-type=none",
		"--etcd-servers=https://"+local(p.ports.etcd), "--etcd-cafile="+p.pki.path("ca.crt"),
		"--etcd-certfile="+p.pki.path("apiserver.crt"), "--etcd-keyfile="+p.pki.path("apiserver.key"),
		"--tls-cert-file="+p.pki.path("apiserver.crt"), "--tls-private-key-file="+p.pki.path("apiserver.key"),
		"--client-ca-file="+p.pki.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+p.pki.path("sa.pub"), "--service-account-signing-key-file="+p.pki.path("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction,PodSecurity",
		"--allow-privileged=true",
	)...)
}

func (p *plan) manager() spec {
	kubeconfig := p.state.path("kube-controller-manager.kubeconfig")
	return p.kubernetes(
		"kube-controller-manager",
		p.ports.manager,
		"/healthz",
		"--kubeconfig="+kubeconfig,
		"--authentication-kubeconfig="+kubeconfig,
		"--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.ports.manager),
		"--tls-cert-file="+p.pki.path(
			"kube-controller-manager.crt",
		),
		"--tls-private-key-file="+p.pki.path("kube-controller-manager.key"),
		"--root-ca-file="+p.pki.path("ca.crt"),
		"--service-account-private-key-file="+p.pki.path("sa.key"),
		"--cluster-signing-cert-file="+p.pki.path("ca.crt"),
		"--cluster-signing-key-file="+p.pki.path("ca.key"),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		// Each controller asks for a token first; at 20 questions a second that takes seconds.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		// A busy machine may be silent for a while.
		"--node-monitor-grace-period=10m",
		// A volume made by hand would wait up to 15 s for its claim.
		"--pvclaimbinder-sync-period=1s",
	)
}

func (p *plan) scheduler() spec {
	kubeconfig := p.state.path("kube-scheduler.kubeconfig")
	return p.kubernetes("kube-scheduler", p.ports.scheduler, "/readyz",
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.ports.scheduler),
		"--tls-cert-file="+p.pki.path("kube-scheduler.crt"), "--tls-private-key-file="+p.pki.path("kube-scheduler.key"),
		"--leader-elect=false",
	)
}

// users are those who come with a certificate: file, name and groups.
func users() [][]string {
	return [][]string{
		{"etcd", "etcd"},
		{"apiserver", "kube-apiserver"},
		{"admin", "admin", "system:masters"},
		{"kube-controller-manager", "system:kube-controller-manager"},
		{"kube-scheduler", "system:kube-scheduler"},
		{"kubelet", "system:node:" + nodeName, "system:nodes"},
		{"kubelet-client", "kube-apiserver-kubelet-client", "system:masters"},
	}
}

// hasKubeconfig tells those users that talk to the API server from its own.
func hasKubeconfig(user string) bool {
	return user == "admin" || user == "kubelet" || strings.HasPrefix(user, "kube-")
}
