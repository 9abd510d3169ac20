package main

import (
	"github.com/distribution/reference"
)

type imageAnswer struct {
	Canonical string `json:"canonical"`
	Host      string `json:"host"`
	Path      string `json:"path"`
	Tag       string `json:"tag"`
	Digest    string `json:"digest"`
}

// newImageAnswers parses references as Docker, containerd and kubectl do.
// ParseDockerRef, the usual short cut, is not used: it drops the tag of a
// reference that also has a digest.
func newImageAnswers() (answers, error) {
	return func(line []byte) (any, error) {
		named, err := reference.ParseNormalizedNamed(string(line))
		if err != nil {
			return nil, err
		}
		named = reference.TagNameOnly(named)
		answer := imageAnswer{
			Canonical: named.String(),
			Host:      reference.Domain(named),
			Path:      reference.Path(named),
		}
		if tagged, ok := named.(reference.Tagged); ok {
			answer.Tag = tagged.Tag()
		}
		if digested, ok := named.(reference.Digested); ok {
			answer.Digest = digested.Digest().String()
		}
		return answer, nil
	}, nil
}
