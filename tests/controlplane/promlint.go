package main

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// promlintMain does what `promtool check metrics` does, with the exit codes of
// that command.
func promlintMain(in io.Reader, out, errOut io.Writer) int {
	problems, err := promlint.New(in).Lint()
	if err != nil {
		fmt.Fprintf(errOut, "controlplane: promlint: not a Prometheus text exposition: %v\n", err)
		return 1
	}
	for _, p := range problems {
		fmt.Fprintln(out, p.Metric, p.Text)
	}
	if len(problems) > 0 {
		return 3
	}
	return 0
}
