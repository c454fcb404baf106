{{- define "registry-token-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 50 characters, so that every suffix fits. */}}
{{- define "registry-token-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "registry-token-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "registry-token-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "registry-token-operator.fullname" .) }}
{{- else }}
{{- required "Set serviceAccount.name to an existing ServiceAccount, or serviceAccount.create to true" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.uninstallName" -}}
{{- printf "%s-uninstall" (include "registry-token-operator.fullname" .) }}
{{- end }}

{{- /* The usernames of the operator, for CEL: its ServiceAccount, and that of the Job, which may run the controllers. */}}
{{- define "registry-token-operator.usernames" -}}
{{- $prefix := printf "system:serviceaccount:%s:" (include "registry-token-operator.namespace" .) }}
{{- printf "'%s%s'" $prefix (include "registry-token-operator.serviceAccountName" .) }}
{{- if eq .Values.uninstall.policy "Drain" }}
{{- printf ", '%s%s'" $prefix (include "registry-token-operator.uninstallName" .) }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "registry-token-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Labels without those that select the operator's pods: the Job's pod is not one of them. */}}
{{- define "registry-token-operator.sharedLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: registry-token-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.labels" -}}
{{ include "registry-token-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
{{ include "registry-token-operator.sharedLabels" . }}
{{- end }}

{{- define "registry-token-operator.uninstallLabels" -}}
app.kubernetes.io/name: {{ include "registry-token-operator.uninstallName" . | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: uninstall
{{ include "registry-token-operator.sharedLabels" . }}
{{- end }}

{{- /* The field `annotations` of an object, on a new line: takes the root, the object's own annotations, and the
       indentation. */}}
{{- define "registry-token-operator.annotations" -}}
{{- with merge (dict) (index . 1) (index . 0).Values.commonAnnotations }}
{{- dict "annotations" . | toYaml | nindent (int (index $ 2)) }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $parts := splitList "/" $repository }}
{{- $host := first $parts }}
{{- if and (gt (len $parts) 1) (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) }}
{{- $parts = rest $parts }}
{{- end }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* The flags that `run` and `drain` share. */}}
{{- define "registry-token-operator.sharedArgs" -}}
- --mac-key-secret={{ .Values.macKeySecretName }}
{{- with .Values.watchNamespaces }}
- --namespaces={{ join "," (uniq .) }}
{{- end }}
{{- with .Values.issuerPolicy }}
{{- if .disableNamespacedIssuers }}
- --disable-namespaced-issuers
{{- end }}
{{- if .allowInsecureHTTPForNamespacedIssuers }}
- --allow-insecure-http-for-namespaced-issuers
{{- end }}
{{- if .restrictClusterIssuers }}
- --restrict-cluster-issuers
{{- end }}
{{- with .allowPortalCIDRs }}
- --allow-portal-cidr={{ join "," . }}
{{- end }}
{{- with .allowPortalHosts }}
- {{ printf "--allow-portal-host=%s" (join "," .) | quote }}
{{- end }}
{{- with .denyPortalCIDRs }}
- --deny-portal-cidr={{ join "," . }}
{{- end }}
{{- with .tokenIssuerMaxRequestsPerSecond }}
- --token-issuer-max-requests-per-second={{ int . }}
{{- end }}
{{- with .tokenIssuerMaxConcurrency }}
- --token-issuer-max-concurrency={{ int . }}
{{- end }}
{{- with .tokenIssuerMaxRequestTimeout }}
- --token-issuer-max-request-timeout={{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "registry-token-operator.sharedEnv" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: RUST_LOG
  value: {{ .Values.log.level | quote }}
{{- with .Values.proxy.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.httpProxy }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The fields of a pod that the Deployment and the Job share, without its volumes. */}}
{{- define "registry-token-operator.sharedPodSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Every release in a cluster shares one Lease. Those for single namespaces have a Lease each. */}}
{{- define "registry-token-operator.leaseName" -}}
{{- if .Values.watchNamespaces }}{{ include "registry-token-operator.fullname" . }}{{ else }}registry-token-operator{{ end }}
{{- end }}

{{- define "registry-token-operator.leaseNamespace" -}}
{{- if .Values.watchNamespaces }}{{ include "registry-token-operator.namespace" . }}{{ else }}{{ .Values.leaderElection.namespace }}{{ end }}
{{- end }}

{{- /* A Role in a namespace and its binding: takes the root, the namespace, the name, the ServiceAccount or "" for the
       operator's, the names of the rules, and annotations. */}}
{{- define "registry-token-operator.role" }}
{{- $root := index . 0 }}
{{- $component := ternary "labels" "uninstallLabels" (empty (index . 3)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ index . 2 }}
  namespace: {{ index . 1 }}
  labels:
    {{- include (printf "registry-token-operator.%s" $component) $root | nindent 4 }}
  {{- include "registry-token-operator.annotations" (list $root (index . 5) 2) }}
rules:
  {{- range index . 4 }}
  {{- include (printf "registry-token-operator.rules.%s" .) $root | nindent 2 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ index . 2 }}
  namespace: {{ index . 1 }}
  labels:
    {{- include (printf "registry-token-operator.%s" $component) $root | nindent 4 }}
  {{- include "registry-token-operator.annotations" (list $root (index . 5) 2) }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ index . 3 | default (include "registry-token-operator.serviceAccountName" $root) }}
    namespace: {{ include "registry-token-operator.namespace" $root }}
{{- end }}

{{- define "registry-token-operator.rules.namespaced-check" -}}
- apiGroups: [registry-token.dev]
  resources: [registrytokens, tokenissuers]
  verbs: [list]
{{- end }}
