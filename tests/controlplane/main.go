// Controlplane gives the tests a real Kubernetes control plane in one binary:
// etcd and kube-apiserver in one process, with certificates and kubeconfigs
// made on the spot, and a few helpers around it. See README.md.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/pflag"
	etcdversion "go.etcd.io/etcd/api/v3/version"
	"k8s.io/component-base/version"
)

const usage = `usage:
  controlplane start --dir D [--port N] [--audit-log FILE] [--admission-plugins-off NAME,...]
                     [--exit-with-parent] [--timeout 2m] [-- kube-apiserver flags...]
  controlplane kubeconfig --dir D --user NAME [--group G]... --out FILE
  controlplane kubelet [kubelet flags...]
  controlplane promlint < metrics
  controlplane upstream image|pod-security|profile < lines
  controlplane version
`

func init() {
	// The main goroutine stays on the main thread. Child processes ask the
	// kernel to be killed when the thread that started them ends, and only the
	// main thread is sure to live as long as the process.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	args := os.Args[2:]
	switch os.Args[1] {
	case "start":
		os.Exit(startMain(args))
	case "kubeconfig":
		os.Exit(kubeconfigMain(args))
	case "kubelet":
		os.Exit(kubeletMain(args))
	case "promlint":
		os.Exit(promlintMain(os.Stdin, os.Stdout, os.Stderr))
	case "upstream":
		os.Exit(upstreamMain(args, os.Stdin, os.Stdout))
	case "version", "--version":
		fmt.Printf("Kubernetes %s, etcd %s, %s\n", version.Get().GitVersion, etcdversion.Version, runtime.Version())
	case "help", "-h", "--help":
		fmt.Print(usage)
	// Not in the usage: the two servers as programs of their own. Two scripts
	// that exec these make a KUBEBUILDER_ASSETS directory.
	case "etcd":
		etcdProgram(args)
	case "kube-apiserver":
		os.Exit(apiserverProgram(args))
	default:
		fmt.Fprintf(os.Stderr, "controlplane: unknown command %q\n%s", os.Args[1], usage)
		os.Exit(2)
	}
}

// parse reads args into fs. When it answers false, the program ends with the
// code.
func parse(fs *pflag.FlagSet, args []string) (code int, ok bool) {
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	switch err := fs.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return 0, false
	case err != nil:
		fmt.Fprintf(os.Stderr, "controlplane %s: %v\n", fs.Name(), err)
		return 2, false
	}
	return 0, true
}
