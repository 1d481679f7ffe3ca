{{- define "mlp.home" -}}/home/mlp/platform{{- end -}}

{{/* An address as SQLAlchemy needs it, with its driver. */}}
{{- define "mlp.database" -}}{{ . | replace "postgresql://" "postgresql+psycopg2://" }}{{- end -}}

{{/* The settings of every process of the platform; the secret ones come from the Secret. */}}
{{- define "mlp.settings" -}}
MLP_HOME: {{ include "mlp.home" . }}
DAGSTER_HOME: {{ include "mlp.home" . }}/dagster
MLP_ENVIRONMENT: cluster
MLP_LAKE: {{ .Values.lake | quote }}
MLP_ONLINE: {{ .Values.online | quote }}
MLP_DATABASE: {{ include "mlp.database" .Values.database | quote }}
MLP_MLFLOW: "http://{{ .Release.Name }}-mlflow.{{ .Release.Namespace }}:5000"
{{- with .Values.mlflow.ui }}
MLP_MLFLOW_UI: {{ . | quote }}
{{- end }}
MLP_PROMOTION_KEY: /keys/{{ .Values.promotionKey.key }}
MLP_KUBERNETES_NAMESPACE: {{ .Release.Namespace }}
MLP_KUBERNETES_SECRET: {{ .Values.trainingSecret }}
{{- with .Values.queue }}
MLP_KUBERNETES_QUEUE: {{ . }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "mlp.pull-secrets" -}}
[{{ range $i, $each := .Values.imagePullSecrets }}{{ if $i }}, {{ end }}{name: {{ $each }}}{{ end }}]
{{- end -}}

{{- define "mlp.pod-security" -}}
{runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
{{- end -}}

{{- define "mlp.container-security" -}}
{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{- end -}}

{{/* A program that waits for places, host:port, for two minutes: one that never comes keeps nobody from the pages. */}}
{{- define "mlp.wait" -}}
import contextlib, socket, time
places, begun = {{ toJson . }}, time.monotonic()
while places and time.monotonic() < begun + 120:
    with contextlib.suppress(OSError):
        host, port = places[0].rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=2).close()
        places.pop(0)
        continue
    time.sleep(1)
{{- end -}}

{{/* A Deployment of one pod, and its Service where it has a port. Takes top, name, component, image, command and resources;
     and where they are needed account, port, probe, environment, after (places to wait for), configuration (its files, so
     that a change starts it again), secrets (whether it has all entries of the Secret; else the database's password), and signs
     (whether it has the key of promotions). */}}
{{- define "mlp.server" -}}
{{- $top := .top -}}
{{- $name := printf "%s-%s" $top.Release.Name .name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {mlp/component: {{ .component }}, app.kubernetes.io/instance: {{ $top.Release.Name }}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {mlp/server: {{ $name }}}}
  template:
    metadata:
      labels: {mlp/server: {{ $name }}, mlp/component: {{ .component }}, app.kubernetes.io/instance: {{ $top.Release.Name }}}
      annotations: {mlp/settings: {{ include "mlp.settings" $top | cat (.configuration | default "") | sha256sum }}}
    spec:
      {{- if .account }}
      serviceAccountName: {{ $top.Release.Name }}-{{ .account }}
      {{- else }}
      automountServiceAccountToken: false
      {{- end }}
      enableServiceLinks: false
      securityContext: {{ include "mlp.pod-security" $top }}
      imagePullSecrets: {{ include "mlp.pull-secrets" $top }}
      {{- with .after }}
      initContainers:  # Dagster does not look again by itself for a code location that it did not find
      - name: locations
        image: {{ $.image }}
        imagePullPolicy: {{ $top.Values.imagePullPolicy }}
        command: {{ list "python" "-c" (include "mlp.wait" .) | toJson }}
        resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 128Mi}}
        securityContext: {{ include "mlp.container-security" $top }}
      {{- end }}
      containers:
      - name: {{ .component }}
        image: {{ .image }}
        imagePullPolicy: {{ $top.Values.imagePullPolicy }}
        command: {{ .command | toJson }}
        envFrom:
        - configMapRef: {name: {{ $top.Release.Name }}-settings}
        {{- if .secrets }}
        - secretRef: {name: {{ $top.Values.secret }}}
        {{- end }}
        env:
        {{- if not .secrets }}
        - {name: PGPASSWORD, valueFrom: {secretKeyRef: {name: {{ $top.Values.secret }}, key: PGPASSWORD, optional: true}}}
        {{- end }}
        {{- range .environment }}
        - {{ . | toJson }}
        {{- end }}
        resources: {{ .resources | toJson }}
        securityContext: {{ include "mlp.container-security" $top }}
        {{- if .port }}
        ports: [{containerPort: {{ .port }}}]
        {{- end }}
        {{- with .probe }}
        startupProbe: {{ merge (dict "periodSeconds" 5 "timeoutSeconds" 5 "failureThreshold" 60) . | toJson }}
        readinessProbe: {{ merge (dict "periodSeconds" 10 "timeoutSeconds" 5) . | toJson }}
        livenessProbe: {{ merge (dict "periodSeconds" 30 "timeoutSeconds" 10 "failureThreshold" 4) . | toJson }}
        {{- end }}
        volumeMounts:
        - {name: home, mountPath: {{ include "mlp.home" $top }}}
        - {name: instance, mountPath: {{ include "mlp.home" $top }}/dagster/dagster.yaml, subPath: dagster.yaml}
        - {name: instance, mountPath: /etc/mlp}
        {{- if .signs }}
        - {name: keys, mountPath: /keys, readOnly: true}
        {{- end }}
      volumes:
      - {name: home, emptyDir: {}}
      - {name: instance, configMap: {name: {{ $top.Release.Name }}-instance}}
      {{- if .signs }}
      - {name: keys, secret: {secretName: {{ $top.Values.promotionKey.secret }}, defaultMode: 0440}}
      {{- end }}
{{- if .port }}
---
apiVersion: v1
kind: Service
metadata: {name: {{ $name }}, labels: {mlp/component: {{ .component }}}}
spec:
  selector: {mlp/server: {{ $name }}}
  ports: [{port: {{ .port }}}]
{{- end }}
{{- end -}}
