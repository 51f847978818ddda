{{- define "serving.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "serving.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* (dict "root" . "component" "web") */}}
{{- define "serving.labels" -}}
app: {{ include "serving.fullname" .root }}
{{ include "serving.selector" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: gopherwood
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* (dict "root" . "name" "serving") */}}
{{- define "serving.image" -}}
{{- $image := index .root.Values.images .name }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else if and .root.Values.allowTags $image.tag }}{{ $image.repository }}:{{ $image.tag }}
{{- else }}{{ fail (printf "images.%s has no digest: give the environment's release.lock with -f (or, on a machine of your own, allowTags and a tag)" .name) }}{{ end }}
{{- end }}

{{- define "serving.claim" -}}
{{ .Values.store.volume.existingClaim | default (printf "%s-store" (include "serving.fullname" .)) }}
{{- end }}

{{/* A setting as text: whole numbers without an exponent. */}}
{{- define "serving.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if eq (float64 (int64 .)) (float64 .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "serving.settings" -}}
GOPHERWOOD_HOME: {{ .Values.store.mountPath | quote }}
GOPHERWOOD_SERVING_HOST: "0.0.0.0"
GOPHERWOOD_SERVING_PORT: {{ .Values.ports.app | quote }}
GOPHERWOOD_ACCESS_LOG: {{ ternary "/tmp/logs" "stdout" (ne .Values.settings.access_log_store "") }}
{{- with .Values.store.url }}
GOPHERWOOD_STORE: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if or (not (kindIs "string" $value)) $value }}
GOPHERWOOD_{{ upper $name }}: {{ include "serving.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The app goes on a little longer than the proxy, which may be in the middle of asking it. */}}
{{- define "serving.appWait" -}}
{{- if .Values.proxy.enabled }}{{ add (int .Values.drain.endpoints) 2 }}{{ else }}{{ int .Values.drain.endpoints }}{{ end }}
{{- end }}

{{- define "serving.grace" -}}
{{- add (include "serving.appWait" . | int) (ceil .Values.settings.serving_grace | int) (ceil .Values.settings.serving_drain | int) 5 }}
{{- end }}

{{- define "serving.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "serving.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "serving.placing" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodePool }}
tolerations:
  - {key: node-pool, operator: Equal, value: {{ . }}, effect: NoSchedule}
{{- end }}
{{- end }}

{{- define "serving.nodeAffinity" -}}
{{- with .Values.nodePool }}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - {key: node-pool, operator: In, values: [{{ . }}]}
{{- end }}
{{- end }}

{{- define "serving.checkRelease" -}}
{{- $locked := index .Values.release.charts "serving" }}
{{- if and $locked (ne $locked .Chart.Version) }}
{{- fail (printf "release.lock is of version %s of this chart, and this is %s: check out the lock's commit, or promote a release of this one" $locked .Chart.Version) }}
{{- end }}
{{- end }}
