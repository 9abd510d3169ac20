package main

import (
	"os/exec"
	"syscall"
)

// startChild runs a program of KUBEBUILDER_ASSETS. It must be called on the
// main goroutine, see init in main.go.
func startChild(program, log string, args []string) (*server, error) {
	out, err := openLog(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Even a SIGKILL of ours leaves no child behind.
		Pdeathsig: syscall.SIGKILL,
		// Ctrl-C in a terminal must not reach etcd before the API server has
		// ended, and the program may be a script with children of its own.
		Setpgid: true,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	signal := func(sig syscall.Signal) func() {
		return func() { syscall.Kill(-cmd.Process.Pid, sig) }
	}
	s := &server{log: log, stop: signal(syscall.SIGTERM), kill: signal(syscall.SIGKILL)}
	s.watch(cmd.Wait)
	return s, nil
}
