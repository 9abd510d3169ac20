// gitops says what GitOps tools make of an object: with the code that they run
// themselves, so that the tests need not trust anybody's reading of it.
//
//	gitops kstatus   one object as JSON a line; kstatus, as Flux uses it
//	gitops health    {"script": "...", "object": {...}} a line; Argo CD's Lua
//
// Each line is answered by one line of JSON, {"status": "...", "message":
// "..."} or {"error": "..."}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// maxLine bounds one line on stdin.
const maxLine = 1 << 20

// health is an answer.
type health struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	judges := map[string]func([]byte) (health, error){
		"kstatus": kstatus,
		"health":  argoHealth,
	}
	var judge func([]byte) (health, error)
	if len(os.Args) == 2 {
		judge = judges[os.Args[1]]
	}
	if judge == nil {
		fmt.Fprintln(os.Stderr, "usage: gitops kstatus|health <QUESTIONS")
		os.Exit(2)
	}
	if err := answer(judge, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func answer(judge func([]byte) (health, error), in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		judged, err := judge(lines.Bytes())
		if err != nil {
			judged = health{Error: err.Error()}
		}
		if err := encoder.Encode(judged); err != nil {
			return err
		}
	}
	return lines.Err()
}
