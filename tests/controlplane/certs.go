package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// state is what stays the same from one start on a directory to the next: the
// CA with everything it signed, the service account keys and the port.
type state struct {
	dir    string
	port   int
	caCert *x509.Certificate
	caKey  *ecdsa.PrivateKey
}

func (st *state) path(name string) string { return filepath.Join(st.dir, name) }

// openState reads the state of dir and makes what is missing. A port other
// than 0 replaces the remembered one.
func openState(dir string, port int) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	st := &state{dir: dir}
	// `start` and `kubeconfig` may both be the first on a new directory.
	unlock, err := lockFile(st.path("state.lock"), true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := st.openPort(port); err != nil {
		return nil, err
	}
	return st, st.openCerts()
}

func (st *state) openPort(port int) error {
	text, err := os.ReadFile(st.path("port"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil {
		if st.port, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return fmt.Errorf("%s: %w", st.path("port"), err)
		}
	}
	if port != 0 && port != st.port || st.port == 0 {
		if st.port = port; port == 0 {
			if st.port, err = pickPort(); err != nil {
				return err
			}
		}
		return writeFile(st.path("port"), []byte(strconv.Itoa(st.port)+"\n"))
	}
	return nil
}

// pickPort finds a free port below the range that the kernel takes the ports
// of outgoing connections from: such a connection could hold the port just
// when a restart wants it back.
func pickPort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + mathrand.IntN(12000)
		if err = portFree(port); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

func (st *state) openCerts() error {
	var err error
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "endoscope-test-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if st.caCert, st.caKey, err = st.openCert("ca", ca); err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 0, 0, 1)},
	}
	if _, _, err = st.openCert("apiserver", server); err != nil {
		return err
	}
	for name, subject := range map[string]string{"admin": "admin", "kubelet-client": "kube-apiserver-kubelet-client"} {
		if _, _, err = st.openCert(name, clientCert(subject, []string{"system:masters"})); err != nil {
			return err
		}
	}
	return st.openServiceAccountKey()
}

func clientCert(user string, groups []string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// openCert reads name.crt and name.key, or makes them when one is missing.
func (st *state) openCert(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certPEM, certErr := os.ReadFile(st.path(name + ".crt"))
	keyPEM, keyErr := os.ReadFile(st.path(name + ".key"))
	if errors.Is(certErr, os.ErrNotExist) || errors.Is(keyErr, os.ErrNotExist) {
		var err error
		if certPEM, keyPEM, err = st.issue(template); err != nil {
			return nil, nil, err
		}
		if err := writeFile(st.path(name+".key"), keyPEM); err != nil {
			return nil, nil, err
		}
		if err := writeFile(st.path(name+".crt"), certPEM); err != nil {
			return nil, nil, err
		}
	} else if err := errors.Join(certErr, keyErr); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(unwrap(certPEM))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", st.path(name+".crt"), err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", st.path(name+".key"), err)
	}
	return cert, key, nil
}

// issue makes a key and a certificate for it, signed by the CA if there is one
// yet and by itself otherwise.
func (st *state) issue(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	// Clocks of the tests' own may run a little behind. Nothing here is worth
	// an expiry that some day fails a test on a directory that was kept.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().AddDate(10, 0, 0)
	parent, parentKey := st.caCert, st.caKey
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	return wrap("CERTIFICATE", der), keyPEM, nil
}

func (st *state) openServiceAccountKey() error {
	text, err := os.ReadFile(st.path("sa.key"))
	var key *ecdsa.PrivateKey
	switch {
	case err == nil:
		key, err = parseKey(text)
	case errors.Is(err, os.ErrNotExist):
		if key, text, err = newKey(); err == nil {
			err = writeFile(st.path("sa.key"), text)
		}
	}
	if err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writeFile(st.path("sa.pub"), wrap("PUBLIC KEY", der))
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, wrap("EC PRIVATE KEY", der), nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	return x509.ParseECPrivateKey(unwrap(text))
}

func wrap(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func unwrap(text []byte) []byte {
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes
	}
	return nil
}

// writeFile writes a private file that is never seen half written.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// lockFile takes an exclusive lock, which ends with the process at the latest.
func lockFile(path string, wait bool) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
