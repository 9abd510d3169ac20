package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func kubeconfigMain(args []string) int {
	var dir, user, out string
	var groups []string
	fs := pflag.NewFlagSet("kubeconfig", pflag.ContinueOnError)
	fs.StringVar(&dir, "dir", "", "")
	fs.StringVar(&user, "user", "", "")
	fs.StringArrayVar(&groups, "group", nil, "")
	fs.StringVar(&out, "out", "", "")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if dir == "" || user == "" || out == "" || fs.NArg() > 0 {
		return fail(2, "kubeconfig: --dir, --user and --out are required, and nothing else")
	}
	st, err := openState(dir, 0)
	if err == nil {
		err = writeKubeconfig(st, out, user, groups)
	}
	if err != nil {
		return fail(1, "kubeconfig: %v", err)
	}
	return 0
}

// writeKubeconfig writes a kubeconfig that holds everything it needs, with a
// new client certificate for the user.
func writeKubeconfig(st *state, path, user string, groups []string) error {
	ca := wrap("CERTIFICATE", st.caCert.Raw)
	cert, key, err := st.issue(clientCert(user, groups))
	if err != nil {
		return err
	}
	const name = "endoscope-test"
	text, err := clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server:                   fmt.Sprintf("https://127.0.0.1:%d", st.port),
			CertificateAuthorityData: ca,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{user: {
			ClientCertificateData: cert,
			ClientKeyData:         key,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: user}},
		CurrentContext: name,
	})
	if err != nil {
		return err
	}
	return writeFile(path, text)
}
