package main

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

// Without regular progress notifications from etcd, kube-apiserver has no
// bookmarks to send on an idle watch. Its own default is to send none.
const progressInterval = 5 * time.Second

// Nobody connects to the only member of a cluster, but the address is part of
// the stored membership, so it must be the same in both ways to run etcd.
const peerURL = "http://127.0.0.1:2380"

// startEtcd starts etcd on st's data and returns the address it serves.
func startEtcd(st *state, assets string) (*server, string, error) {
	port, err := pickPort()
	if err != nil {
		return nil, "", err
	}
	clientURL := fmt.Sprintf("http://127.0.0.1:%d", port)
	if assets != "" {
		s, err := childEtcd(st, filepath.Join(assets, "etcd"), clientURL)
		return s, clientURL, err
	}
	s, err := embeddedEtcd(st, clientURL)
	return s, clientURL, err
}

func embeddedEtcd(st *state, clientURL string) (*server, error) {
	client, err := url.Parse(clientURL)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(peerURL)
	if err != nil {
		return nil, err
	}
	log := st.path("etcd.log")
	cfg := embed.NewConfig()
	cfg.Dir = st.path("etcd")
	cfg.ListenClientUrls = []url.URL{*client}
	cfg.AdvertiseClientUrls = []url.URL{*client}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = cfg.Name + "=" + peerURL
	cfg.UnsafeNoFsync = true // the tests survive a restart of ours, not one of the machine
	cfg.WatchProgressNotifyInterval = progressInterval
	cfg.LogOutputs = []string{log}

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
	case <-e.Server.StopNotify():
		return nil, errors.New("it stopped while starting")
	case <-time.After(30 * time.Second):
		return nil, errors.New("not ready after 30s")
	}
	s := &server{log: log, stop: func() { go e.Close() }}
	s.watch(func() error {
		select {
		case err := <-e.Err():
			return err
		case <-e.Server.StopNotify():
			return nil
		}
	})
	return s, nil
}

// childEtcd does not wait until etcd is ready: kube-apiserver does.
func childEtcd(st *state, program, clientURL string) (*server, error) {
	// The flags for the same settings differ from release to release, and etcd
	// refuses to start with one that it does not know.
	help, err := exec.Command(program, "--help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --help: %w", program, err)
	}
	args := []string{
		"--data-dir=" + st.path("etcd"),
		"--listen-client-urls=" + clientURL,
		"--advertise-client-urls=" + clientURL,
		"--listen-peer-urls=http://127.0.0.1:0",
		"--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=default=" + peerURL,
	}
	if strings.Contains(string(help), "--unsafe-no-fsync") {
		args = append(args, "--unsafe-no-fsync=true")
	}
	for _, name := range []string{"--watch-progress-notify-interval", "--experimental-watch-progress-notify-interval"} {
		if strings.Contains(string(help), name) {
			args = append(args, name+"="+progressInterval.String())
			break
		}
	}
	return startChild(program, st.path("etcd.log"), args)
}

func etcdProgram(args []string) {
	etcdmain.Main(append([]string{"etcd"}, args...))
}
