package main

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubectl/pkg/cmd/debug"
)

type profileQuestion struct {
	Profile   string                    `json:"profile"`
	Pod       corev1.Pod                `json:"pod"`
	Container corev1.EphemeralContainer `json:"container"`
	Target    string                    `json:"target"`
}

// newProfileAnswers does what `kubectl debug` does once it has made the
// ephemeral container from its flags: adds it to a copy of the Pod and lets
// the profile have its way with that.
func newProfileAnswers() (answers, error) {
	return func(line []byte) (any, error) {
		var question profileQuestion
		if err := json.Unmarshal(line, &question); err != nil {
			return nil, err
		}
		profile, err := debug.NewProfileApplier(question.Profile, debug.KeepFlags{})
		if err != nil {
			return nil, err
		}
		question.Container.TargetContainerName = question.Target
		pod := question.Pod.DeepCopy()
		before := len(pod.Spec.EphemeralContainers)
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, question.Container)
		if err := profile.Apply(pod, question.Container.Name, pod); err != nil {
			return nil, err
		}
		if len(pod.Spec.EphemeralContainers) != before+1 {
			return nil, fmt.Errorf("the profile made %d ephemeral containers of %d", len(pod.Spec.EphemeralContainers),
				before+1)
		}
		return pod.Spec.EphemeralContainers[before], nil
	}, nil
}
