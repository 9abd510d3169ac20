package main

import (
	"context"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kubelet/app"
)

func kubeletMain(args []string) int {
	command := app.NewKubeletCommand(context.Background())
	command.SetArgs(args)
	return cli.Run(command)
}
