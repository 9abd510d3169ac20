{{- define "endoscope.labels" -}}
app.kubernetes.io/name: endoscope
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "endoscope.selector" -}}
app.kubernetes.io/name: endoscope
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- /* The Secret with the webhooks' certificate; empty where the operator has an authority of its own. */}}
{{- define "endoscope.certificateSecret" -}}
{{- if .Values.webhook.certManager -}}
endoscope-webhook-cert
{{- else -}}
{{ .Values.webhook.existingSecret }}
{{- end -}}
{{- end }}
{{- define "endoscope.webhookAnnotations" }}
{{- if .Values.webhook.certManager }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/endoscope-webhook
{{- end }}
{{- end }}
