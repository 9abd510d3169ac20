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
{{- define "endoscope.certificateSecret" -}}
{{- if .Values.webhook.certManager -}}
endoscope-webhook-cert
{{- else -}}
{{ required "webhook.existingSecret is required when webhook.certManager is false" .Values.webhook.existingSecret }}
{{- end -}}
{{- end }}
