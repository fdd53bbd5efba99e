package cluster

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ServiceAccountKubeconfig writes a kubeconfig that acts as the service account, with
// its namespace in the context. The token is good for as long as any cluster of
// ours lives; others may cut its time short.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, account, path string) error {
	seconds := int64(365 * 24 * 3600)
	token, err := c.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}},
		metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking for a token of %s/%s: %w", namespace, account, err)
	}
	return writeKubeconfig(path, c.server, namespace, clientcmdapi.AuthInfo{Token: token.Status.Token})
}
