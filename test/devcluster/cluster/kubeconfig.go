package cluster

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig that stands alone: certificates are in it, so it
// may be copied elsewhere.
func writeKubeconfig(file string, server clientcmdapi.Cluster, namespace string, user clientcmdapi.AuthInfo) error {
	const name = "copytrigger-test"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &server
	config.AuthInfos[name] = &user
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: namespace}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// componentsKubeconfig is the administrator's for the cluster's own components: the
// other one's server may be an address that is not in their network.
const componentsKubeconfig = "components.kubeconfig"

// certificateKubeconfigs writes the users' kubeconfigs.
func (p *plan) certificateKubeconfigs() error {
	for _, user := range users() {
		if !hasKubeconfig(user[0]) {
			continue
		}
		if err := p.certificateKubeconfig(user[0], user[0]+".kubeconfig", p.server()); err != nil {
			return err
		}
	}
	if err := p.certificateKubeconfig("admin", componentsKubeconfig, p.server()); err != nil {
		return err
	}
	return p.certificateKubeconfig("admin", "admin.kubeconfig", "https://"+local(p.ports.outside))
}

func (p *plan) certificateKubeconfig(user, file, server string) error {
	var auth clientcmdapi.AuthInfo
	for file, data := range map[string]*[]byte{
		p.pki.path(user + ".crt"): &auth.ClientCertificateData,
		p.pki.path(user + ".key"): &auth.ClientKeyData,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("writing a kubeconfig for %s: %w", user, err)
		}
		*data = text
	}
	ca, err := os.ReadFile(p.pki.path("ca.crt"))
	if err != nil {
		return fmt.Errorf("writing a kubeconfig for %s: %w", user, err)
	}
	return writeKubeconfig(
		p.state.path(file),
		clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca},
		"",
		auth,
	)
}
