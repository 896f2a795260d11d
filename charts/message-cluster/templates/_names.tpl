{{- define "message-cluster.labels" -}}
app.kubernetes.io/name: holdfast
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A map of settings as texts. Helm reads numbers of a file as floats: 604800000 must not become 6.048e+08. */}}
{{- define "message-cluster.settings" -}}
{{- range $key, $value := . }}
{{- if and (kindIs "float64" $value) (eq (float64 (int64 $value)) $value) }}
{{ $key | quote }}: {{ int64 $value | toString | quote }}
{{- else }}
{{ $key | quote }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The disk of a broker, from persistence. */}}
{{- define "message-cluster.storage" -}}
size: {{ .size | quote }}
{{- with .storageClass }}
class: {{ . | quote }}
{{- end }}
{{- with .accessMode }}
accessMode: {{ . }}
{{- end }}
{{- end -}}

{{/* The name of a topic's resource: the topic's, as Kubernetes has names. */}}
{{- define "message-cluster.topicResource" -}}
{{- $name := .topic.resourceName | default (printf "%s-%s" .release (.topic.name | lower | replace "_" "-")) -}}
{{- regexReplaceAll "[.-]+$" (regexReplaceAll "-*[.]+-*" $name "." | trunc 253) "" -}}
{{- end -}}
