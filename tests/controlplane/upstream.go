package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
)

// maxLine bounds one line on stdin; a Pod is far smaller.
const maxLine = 16 << 20

// answers maps one line of input to what the libraries of the ecosystem say
// about it: a value for one JSON object on one line. An error is an answer,
// too, {"error": "..."}.
type answers func(line []byte) (any, error)

// upstreamMain asks the ecosystem's own code, so that the tests need not
// trust anybody's reading of it.
func upstreamMain(args []string, in io.Reader, out io.Writer) int {
	fs := pflag.NewFlagSet("upstream", pflag.ContinueOnError)
	if code, ok := parse(fs, args); !ok {
		return code
	}
	judges := map[string]func() (answers, error){
		"image":        newImageAnswers,
		"pod-security": newPodSecurityAnswers,
		"profile":      newProfileAnswers,
	}
	newAnswers, known := judges[fs.Arg(0)]
	if fs.NArg() != 1 || !known {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	answer, err := newAnswers()
	if err == nil {
		err = answerLines(answer, in, out)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "controlplane upstream: %v\n", err)
		return 1
	}
	return 0
}

// answerLines writes one line for each line that it reads, in order. Only LF
// ends a line: a CR is part of it.
func answerLines(answer answers, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	lines.Split(splitAtLF)
	buffered := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		value, err := answer(lines.Bytes())
		if err != nil {
			value = map[string]string{"error": err.Error()}
		}
		if err := encoder.Encode(value); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

func splitAtLF(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
