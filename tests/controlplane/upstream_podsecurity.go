package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/admission"
	"k8s.io/pod-security-admission/admission/api/load"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

type podSecurityQuestion struct {
	Level   string     `json:"level"`
	Version string     `json:"version"`
	Pod     corev1.Pod `json:"pod"`
}

type podSecurityAnswer struct {
	Allowed bool   `json:"allowed"`
	Message string `json:"message"`
}

// labelledNamespace is the one namespace that there is, with the labels of
// the question.
type labelledNamespace struct {
	labels map[string]string
}

func (n *labelledNamespace) GetNamespace(_ context.Context, name string) (*corev1.Namespace, error) {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: n.labels}}, nil
}

type noPods struct{}

func (noPods) ListPods(context.Context, string) ([]*corev1.Pod, error) { return nil, nil }

// newPodSecurityAnswers asks the whole admission library, put together as the
// plugin PodSecurity of kube-apiserver does without a configuration file and
// without an emulated version: the default checks, of which none has a feature
// gate in 1.36. So the namespace's labels are read by upstream's code as well;
// an empty level or version stands for a label that is not there.
func newPodSecurityAnswers() (answers, error) {
	config, err := load.LoadFromReader(nil)
	if err != nil {
		return nil, err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	namespace := &labelledNamespace{}
	plugin := &admission.Admission{
		Configuration:    config,
		Evaluator:        evaluator,
		Metrics:          metrics.NewPrometheusRecorder(api.GetAPIVersion()),
		PodSpecExtractor: admission.DefaultPodSpecExtractor{},
		NamespaceGetter:  namespace,
		PodLister:        noPods{},
	}
	if err := plugin.CompleteConfiguration(); err != nil {
		return nil, err
	}
	if err := plugin.ValidateConfiguration(); err != nil {
		return nil, err
	}
	return func(line []byte) (any, error) {
		var question podSecurityQuestion
		if err := json.Unmarshal(line, &question); err != nil {
			return nil, err
		}
		namespace.labels = map[string]string{}
		if question.Level != "" {
			namespace.labels[api.EnforceLevelLabel] = question.Level
		}
		if question.Version != "" {
			namespace.labels[api.EnforceVersionLabel] = question.Version
		}
		response := plugin.Validate(context.Background(), &api.AttributesRecord{
			Name:      question.Pod.Name,
			Namespace: "default",
			Kind:      corev1.SchemeGroupVersion.WithKind("Pod"),
			Resource:  corev1.SchemeGroupVersion.WithResource("pods"),
			Operation: admissionv1.Create,
			Object:    &question.Pod,
		})
		answer := podSecurityAnswer{Allowed: response.Allowed}
		if !response.Allowed {
			forbidden, violation, found := strings.Cut(response.Result.Message, " is forbidden: ")
			if !found {
				return nil, fmt.Errorf("not about the Pod's security: %s", forbidden)
			}
			answer.Message = violation
		}
		return answer, nil
	}, nil
}
