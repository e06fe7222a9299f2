{{- define "serinus.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "serinus.fullname" -}}
{{- $name := include "serinus.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "serinus.selector" -}}
app.kubernetes.io/name: {{ include "serinus.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What a shard's own objects are called beyond the name of all: nothing without shards. Takes (list ROOT INDEX). */}}
{{- define "serinus.shardSuffix" -}}
{{- $count := int (index . 0).Values.shards -}}
{{- if gt $count 1 -}}{{- printf "-%d-of-%d" (index . 1) $count -}}{{- end -}}
{{- end -}}

{{- define "serinus.shardSelector" -}}
{{- include "serinus.selector" (index . 0) }}
{{- with include "serinus.shardSuffix" . }}
serinus.dev/shard: {{ . | trimPrefix "-" }}
{{- end }}
{{- end -}}

{{- define "serinus.labels" -}}
{{ include "serinus.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "serinus.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "serinus.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: needed with serviceAccount.create=false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "serinus.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "serinus.everywhere" -}}
{{- if has "*" .Values.namespaces -}}yes{{- end -}}
{{- end -}}

{{/* The features that are on, as JSON: those that are named, and those that other values bring. */}}
{{- define "serinus.features" -}}
{{- $features := .Values.features -}}
{{- if .Values.slackCallbacks.enabled -}}{{- $features = append $features "slackCallbacks" | uniq -}}{{- end -}}
{{- if .Values.api.enabled -}}{{- $features = append $features "api" | uniq -}}{{- end -}}
{{- toJson $features -}}
{{- end -}}

{{/* The rights of the core and of the enabled features: namespaced, or of the cluster. Takes (list ROOT SCOPE). */}}
{{- define "serinus.rules" -}}
{{- $root := index . 0 -}}
{{- $scope := index . 1 -}}
{{- $rights := $root.Files.Get "files/rights.yaml" | fromYaml -}}
{{- $rules := dig "core" $scope (list) $rights -}}
{{- range $feature, $granted := omit $rights "core" "leader" "people" -}}
{{- if has $feature (include "serinus.features" $root | fromJsonArray) -}}
{{- $rules = concat $rules (dig $scope (list) $granted) -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}{{- toYaml $rules -}}{{- end -}}
{{- end -}}

{{/* The rights of one feature on what belongs to no namespace. Takes (list ROOT FEATURE). */}}
{{- define "serinus.clusterRules" -}}
{{- $rights := (index . 0).Files.Get "files/rights.yaml" | fromYaml -}}
{{- with dig (index . 1) "cluster" (list) $rights -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{- define "serinus.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "serinus.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* How a Prometheus is asked, as variables. Takes (list PREFIX FOLDER VALUES); FOLDER holds the keys of its Secret. */}}
{{- define "serinus.prometheus" -}}
{{- $prefix := index . 0 -}}
{{- $folder := index . 1 -}}
{{- with index . 2 -}}
- name: {{ $prefix }}__URL
  value: {{ .url | quote }}
{{- if .timeoutSeconds }}
- {name: {{ $prefix }}__TIMEOUT_SECONDS, value: {{ .timeoutSeconds | quote }}}
{{- end }}
{{- if .tenant }}
- {name: {{ $prefix }}__TENANT, value: {{ .tenant | quote }}}
{{- end }}
{{- if .tenantHeader }}
- {name: {{ $prefix }}__TENANT_HEADER, value: {{ .tenantHeader | quote }}}
{{- end }}
{{- if .headers }}
- {name: {{ $prefix }}__HEADERS, value: {{ .headers | toJson | quote }}}
{{- end }}
{{- if .tokenKey }}
- {name: {{ $prefix }}__BEARER_TOKEN_FILE, value: {{ $folder }}/{{ .tokenKey }}}
{{- end }}
{{- if .caKey }}
- {name: {{ $prefix }}__CA_FILE, value: {{ $folder }}/{{ .caKey }}}
{{- end }}
{{- if .headerKeys }}
{{- $files := dict }}
{{- range $name, $key := .headerKeys }}{{ $_ := set $files $name (printf "%s/%s" $folder $key) }}{{ end }}
- {name: {{ $prefix }}__HEADER_FILES, value: {{ $files | toJson | quote }}}
{{- end }}
{{- end -}}
{{- end -}}
