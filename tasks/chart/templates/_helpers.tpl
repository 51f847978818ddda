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
{{- $name := ternary "vcs" "tasks" (eq .Values.pods.vcs "all") }}
{{- or (include "tasks.named" (dict "root" . "name" $name)) (include "tasks.missing" $name) }}
{{- end }}

{{/* The image with git and Go, where the lock has one. */}}
{{- define "tasks.vcsImage" -}}
{{- include "tasks.named" (dict "root" . "name" "vcs") }}
{{- end }}

{{/* The image with pandas and Parquet, where the lock has one. */}}
{{- define "tasks.dataImage" -}}
{{- include "tasks.named" (dict "root" . "name" "data") }}
{{- end }}

{{/* (dict "root" . "name" "tasks"): an image by digest, by tag where that is allowed, or nothing. */}}
{{- define "tasks.named" -}}
{{- $image := index .root.Values.images .name }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else if and .root.Values.allowTags $image.tag }}{{ $image.repository }}:{{ $image.tag }}
{{- end }}
{{- end }}

{{- define "tasks.missing" -}}
{{ fail (printf "images.%s has no digest: give the environment's release.lock with -f (or, on a machine of your own, allowTags and a tag)" .) }}
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

{{/* What all parts of Airflow in one pod have in common: (dict "image" . "root" . "resources" .) */}}
{{- define "tasks.airflowPart" -}}
image: {{ .image }}
imagePullPolicy: IfNotPresent
envFrom:
  - configMapRef: {name: {{ .root.Release.Name }}-pods}
  - secretRef: {name: {{ .root.Values.airflow.onePod.secret }}}
env:
  {{- range $name, $value := dict "AIRFLOW_HOME" "/tmp/airflow" "HOME" "/tmp" "TMPDIR" "/tmp" "AIRFLOW__CORE__DAGS_FOLDER" "/opt/airflow/dags" "AIRFLOW__CORE__PLUGINS_FOLDER" "/opt/airflow/plugins" "AIRFLOW__CORE__PARALLELISM" "8" "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT" "120" "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL" "5" "AIRFLOW__API__WORKERS" "1" "AIRFLOW__API__INSTANCE_NAME" "Gopherwood" "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES" "1" "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME" "0.5" "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT" "120" "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT" "60" }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  # Airflow would make this one of the other, for a driver that the image has not.
  - name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC
    valueFrom: {secretKeyRef: {name: {{ .root.Values.airflow.onePod.secret }}, key: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN}}
resources: {{- toYaml .resources | nindent 2 }}
securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Who may start pods. */}}
{{- define "tasks.launchers" -}}
{{- range .Values.airflow.serviceAccounts }}
- {kind: ServiceAccount, name: {{ . }}, namespace: {{ $.Values.airflow.namespace | default $.Release.Namespace }}}
{{- end }}
{{- if .Values.airflow.onePod.enabled }}
- {kind: ServiceAccount, name: {{ .Release.Name }}-airflow, namespace: {{ .Release.Namespace }}}
{{- end }}
{{- end }}

{{/* A node pool as node_pools.py declares it: (dict "root" . "name" "pvm-pool") */}}
{{- define "tasks.pool" -}}
{{- $found := dict }}
{{- range .root.Files.Get "files/node-pools.json" | fromJsonArray }}{{ if eq .name $.name }}{{ $found = . }}{{ end }}{{ end }}
{{- toJson ($found | default (dict "taint" (dict "key" "node-pool" "value" .name "effect" "NoSchedule") "provider_taints" list)) }}
{{- end }}

{{/* What pods for a pool tolerate: its own taint, and those that providers put on such machines. */}}
{{- define "tasks.tolerations" -}}
{{- range concat (list .taint) .provider_taints }}
- {key: {{ .key }}, operator: Equal, value: {{ .value | quote }}, effect: {{ .effect }}}
{{- end }}
{{- end }}

{{/* Fails when the file that a worker touches is not there, or old. */}}
{{- define "tasks.pulse" -}}
{{- list "python3" "-c" (printf "import os, sys, time; sys.exit(time.time() - os.stat('/tmp/pulse').st_mtime > %d)" (int .pulseSeconds)) | toJson }}
{{- end }}
