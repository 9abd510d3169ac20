package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// One line for each request when it has ended, and one more for a watch when
// it has begun. Requests are counted by their stage ResponseComplete.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func startAPIServer(st *state, assets, etcdURL string, o startOptions, stop chan os.Signal) (*server, error) {
	args, err := apiserverArgs(st, etcdURL, o)
	if err != nil {
		return nil, err
	}
	log := st.path("apiserver.log")
	if assets != "" {
		return startChild(filepath.Join(assets, "kube-apiserver"), log, args)
	}

	command := app.NewAPIServerCommand()
	command.SetArgs(args)
	// The command has just installed its own signal handler, which ends the
	// process on a second signal. The order of the end is ours to decide.
	signal.Reset(syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	s := &server{log: log, stop: func() { genericapiserver.RequestShutdown() }}
	s.watch(func() error { return cli.RunNoErrOutput(command) })
	return s, nil
}

func apiserverArgs(st *state, etcdURL string, o startOptions) ([]string, error) {
	// ServiceAccount admission refuses every Pod until something creates the
	// service account `default`, and no controller runs here.
	off := append([]string{"ServiceAccount"}, o.pluginsOff...)
	args := []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", st.port),
		// The reconciler would refuse a loopback address again and again.
		"--endpoint-reconciler-type=none",
		// Without a grace period the server waits for its clients to give up
		// their watches; with one it ends every watch properly, at once.
		"--shutdown-watch-termination-grace-period=1s",
		"--cert-dir=" + st.dir,
		"--tls-cert-file=" + st.path("apiserver.crt"),
		"--tls-private-key-file=" + st.path("apiserver.key"),
		"--client-ca-file=" + st.path("ca.crt"),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--disable-admission-plugins=" + strings.Join(off, ","),
		"--service-cluster-ip-range=10.0.0.0/24", // the default, which must be spelled out
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + st.path("sa.pub"),
		"--service-account-signing-key-file=" + st.path("sa.key"),
		"--kubelet-client-certificate=" + st.path("kubelet-client.crt"),
		"--kubelet-client-key=" + st.path("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
	}
	if o.auditLog != "" {
		policy := st.path("audit-policy.yaml")
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return nil, err
		}
		args = append(args,
			"--audit-policy-file="+policy,
			"--audit-log-path="+o.auditLog,
			// Rotation would take lines away from the one who counts them.
			"--audit-log-maxsize=100000",
		)
	}
	return append(args, o.apiserverArgs...), nil
}

func apiserverProgram(args []string) int {
	command := app.NewAPIServerCommand()
	command.SetArgs(args)
	return cli.Run(command)
}
