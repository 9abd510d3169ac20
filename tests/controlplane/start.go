package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// Time that the servers get for a clean end. The tests count on 3 s in all.
const (
	apiserverStopTime = 2000 * time.Millisecond
	etcdStopTime      = 500 * time.Millisecond
)

// server is etcd or kube-apiserver, in this process or as a child.
type server struct {
	log  string        // path of its log
	done chan struct{} // closed when it has ended
	err  error         // why, to be read after that
	stop func()        // asks it to end
	kill func()        // makes it end; nil for one in this process
}

// watch closes done when wait, which blocks as long as the server runs, returns.
func (s *server) watch(wait func() error) {
	s.done = make(chan struct{})
	go func() {
		s.err = wait()
		close(s.done)
	}()
}

// startOptions are the flags of `start`.
type startOptions struct {
	dir           string
	port          int
	auditLog      string
	pluginsOff    []string
	apiserverArgs []string
	timeout       time.Duration
}

// Set once, before anything is redirected.
var (
	parentPID = os.Getppid() // at once, so that little time is left for a parent to die unseen
	stdout    = os.Stdout
	stderr    = os.Stderr
)

func startMain(args []string) int {
	var o startOptions
	var exitWithParent bool
	fs := pflag.NewFlagSet("start", pflag.ContinueOnError)
	fs.StringVar(&o.dir, "dir", "", "")
	fs.IntVar(&o.port, "port", 0, "")
	fs.StringVar(&o.auditLog, "audit-log", "", "")
	fs.StringSliceVar(&o.pluginsOff, "admission-plugins-off", nil, "")
	fs.BoolVar(&exitWithParent, "exit-with-parent", false, "")
	fs.DurationVar(&o.timeout, "timeout", 2*time.Minute, "")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if o.dir == "" {
		return fail(2, "start: --dir is required")
	}
	// What follows `--` goes to kube-apiserver; nothing may stand before it.
	if dash := fs.ArgsLenAtDash(); fs.NArg() > 0 && dash != 0 {
		return fail(2, "start: unexpected argument %q", fs.Arg(0))
	}
	o.apiserverArgs = fs.Args()

	stop := make(chan os.Signal, 4)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if exitWithParent {
		go watchParent(stop)
	}
	return start(o, stop)
}

// watchParent reports the death of the parent as a SIGTERM. It polls, because
// PR_SET_PDEATHSIG speaks of the parent's thread: a test runner that starts us
// from a short-lived thread would end us with that thread.
func watchParent(stop chan<- os.Signal) {
	for os.Getppid() == parentPID {
		time.Sleep(100 * time.Millisecond)
	}
	stop <- syscall.SIGTERM
}

// ending is set to the exit code when the end has begun.
var ending atomic.Pointer[int]

func start(o startOptions, stop chan os.Signal) (code int) {
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fail(1, "%v", err)
	}
	if o.auditLog != "" {
		if o.auditLog, err = filepath.Abs(o.auditLog); err != nil {
			return fail(1, "%v", err)
		}
	}
	st, err := openState(o.dir, o.port)
	if err != nil {
		return fail(1, "%v", err)
	}
	unlock, err := lockFile(st.path("lock"), false)
	if err != nil {
		return fail(1, "another controlplane is running on %s", o.dir)
	}
	defer unlock()
	if err := portFree(st.port); err != nil {
		return fail(1, "port %d of %s is in use: %v", st.port, o.dir, err)
	}
	// What is shown of a log when a start fails is to be of that start.
	for _, log := range []string{"apiserver.log", "etcd.log"} {
		if err := os.Rename(st.path(log), st.path(log+".old")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fail(1, "%v", err)
		}
	}
	if err := writeKubeconfig(st, st.path("admin.kubeconfig"), "admin", []string{"system:masters"}); err != nil {
		return fail(1, "%v", err)
	}

	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		// Both servers live here, and much of their code writes to stderr.
		if err := redirectOutput(st.path("apiserver.log")); err != nil {
			return fail(1, "%v", err)
		}
	}

	etcd, etcdURL, err := startEtcd(st, assets)
	if err != nil {
		return failWithLog(st.path("etcd.log"), "etcd did not start: %v", err)
	}
	defer etcd.end(etcdStopTime)
	if err := os.WriteFile(st.path("etcd.url"), []byte(etcdURL+"\n"), 0o600); err != nil {
		return fail(1, "%v", err)
	}

	apiserver, err := startAPIServer(st, assets, etcdURL, o, stop)
	if err != nil {
		return failWithLog(st.path("apiserver.log"), "kube-apiserver did not start: %v", err)
	}
	defer func() {
		ending.Store(&code)
		apiserver.end(apiserverStopTime)
	}()

	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- waitReady(ctx, st.path("admin.kubeconfig")) }()

	for {
		select {
		case err := <-ready:
			if err != nil {
				return failWithLog(apiserver.log, "not ready after %v: %v", o.timeout, err)
			}
			fmt.Fprintln(stdout, "ready")
			ready = nil
		case <-etcd.done:
			return failWithLog(etcd.log, "etcd ended by itself: %v", etcd.why())
		case <-apiserver.done:
			return failWithLog(apiserver.log, "kube-apiserver ended by itself: %v", apiserver.why())
		case <-stop:
			return 0
		}
	}
}

// end stops a server and waits for it, but not for long: a client that keeps
// a request open must not hold the tests up. What a server in this process has
// not finished by then ends with the process; etcd has written every answered
// change to its log file before, so nothing is lost.
func (s *server) end(patience time.Duration) {
	s.stop()
	select {
	case <-s.done:
	case <-time.After(patience):
		if s.kill != nil {
			s.kill()
			<-s.done
		}
	}
}

// why words the end of a server, which may have said nothing.
func (s *server) why() error {
	if s.err == nil {
		return errors.New("it gave no reason")
	}
	return s.err
}

// waitReady returns when the control plane can be used by a test that creates
// things in the namespace `default` and by users with the default roles.
func waitReady(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	config.Timeout = 5 * time.Second
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error {
			return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		},
		// The default roles are stored and the authorizer has seen them:
		// somebody without any role of his own may do discovery.
		func() error {
			review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
				Spec: authorizationv1.SubjectAccessReviewSpec{
					User:                  "nobody",
					Groups:                []string{"system:authenticated"},
					NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/api", Verb: "get"},
				},
			}, metav1.CreateOptions{})
			if err == nil && !review.Status.Allowed {
				err = errors.New("the default RBAC roles are not there yet")
			}
			return err
		},
		func() error {
			_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
				ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceDefault},
			}, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				err = nil
			}
			return err
		},
	}
	for _, step := range steps {
		var last error
		for {
			err := step()
			if err == nil {
				break
			}
			// Once the time is over every answer says just that.
			if ctx.Err() == nil || last == nil {
				last = err
			}
			select {
			case <-ctx.Done():
				return last
			case <-time.After(25 * time.Millisecond):
			}
		}
	}
	return nil
}

// redirectOutput sends what this process writes to its standard outputs into
// a file. The real ones stay reachable as stdout and stderr; a crash goes to
// both.
func redirectOutput(path string) error {
	out, err := dup(1)
	if err != nil {
		return err
	}
	errOut, err := dup(2)
	if err != nil {
		return err
	}
	log, err := openLog(path)
	if err != nil {
		return err
	}
	defer log.Close()
	for _, fd := range []int{1, 2} {
		if err := syscall.Dup3(int(log.Fd()), fd, 0); err != nil {
			return err
		}
	}
	stdout, stderr = out, errOut
	if err := debug.SetCrashOutput(errOut, debug.CrashOptions{}); err != nil {
		return err
	}
	// klog.Fatal ends the process without a word on the real stderr.
	klog.OsExit = func(code int) {
		// A server that is stopped before it has started ends like that, too.
		if decided := ending.Load(); decided != nil {
			os.Exit(*decided)
		}
		failWithLog(path, "kube-apiserver gave up")
		os.Exit(code)
	}
	return nil
}

func dup(fd int) (*os.File, error) {
	n, err := syscall.Dup(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(n)
	return os.NewFile(uintptr(n), "stdio"), nil
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func fail(code int, format string, args ...any) int {
	fmt.Fprintf(stderr, "controlplane: "+format+"\n", args...)
	return code
}

// failWithLog also shows the last lines of a server's log.
func failWithLog(log, format string, args ...any) int {
	fail(1, format, args...)
	if text := tail(log); text != "" {
		fmt.Fprintf(stderr, "--- end of %s ---\n%s\n", log, text)
	}
	return 1
}

func tail(path string) string {
	const lines, bytes = 20, 16 << 10
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > bytes {
		f.Seek(-bytes, io.SeekEnd)
	}
	text, _ := io.ReadAll(f)
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func portFree(port int) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		l.Close()
	}
	return err
}
