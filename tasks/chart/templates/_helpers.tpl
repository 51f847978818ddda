{{/* (dict "root" . "component" "fetch") */}}
{{- define "tasks.labels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: gopherwood
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "tasks.image" -}}
{{- $image := .Values.images.tasks }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else if and .Values.allowTags $image.tag }}{{ $image.repository }}:{{ $image.tag }}
{{- else }}{{ fail "images.tasks has no digest: give the environment's release.lock with -f (or, on a machine of your own, allowTags and a tag)" }}{{ end }}
{{- end }}

{{/* A setting as text: whole numbers without an exponent. */}}
{{- define "tasks.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if eq (float64 (int64 .)) (float64 .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- define "tasks.checkRelease" -}}
{{- $locked := index .Values.release.charts "tasks" }}
{{- if and $locked (ne $locked .Chart.Version) }}
{{- fail (printf "release.lock is of version %s of this chart, and this is %s: check out the lock's commit, or promote a release of this one" $locked .Chart.Version) }}
{{- end }}
{{- end }}
