{{/* On every object, and the selector of the Deployment, the budget and the Service. */}}
{{- define "workload-identity-webhook.labels" -}}
app: {{ .Chart.Name }}
azure-workload-identity.io/system: "true"
chart: {{ .Chart.Name }}
release: {{ .Release.Name }}
{{- end }}
