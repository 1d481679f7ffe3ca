{{/* Dagster's own two files. */}}
{{- define "mlp.instance" -}}
{{- $home := include "mlp.home" . -}}
workspace.yaml: |
  load_from:
  {{- range .Values.locations }}
  - grpc_server: {host: {{ $.Release.Name }}-{{ .name }}, port: 4000, location_name: {{ .name }}}
  {{- end }}
dagster.yaml: |
  nux: {enabled: false}
  telemetry: {enabled: false}
  storage: {postgres: {postgres_url: {env: MLP_DATABASE}}}
  compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
  scheduler: {module: dagster._core.scheduler, class: DagsterDaemonScheduler}
  run_coordinator: {module: dagster._core.run_coordinator, class: QueuedRunCoordinator}
  concurrency: {runs: {max_concurrent_runs: {{ .Values.runs.concurrent }}}}
  # A run whose pod is gone is started again from the step that it was in. A step that failed is not.
  run_monitoring: {enabled: true, start_timeout_seconds: 1200, cancel_timeout_seconds: 180, poll_interval_seconds: 15}
  run_retries: {enabled: true, max_retries: 3, retry_on_asset_or_op_failure: false}
  sensors: {use_threads: true, num_workers: 4}
  schedules: {use_threads: true, num_workers: 4}
  run_launcher:
    module: dagster_k8s
    class: K8sRunLauncher
    config:
      job_namespace: {{ .Release.Namespace }}
      service_account_name: {{ .Release.Name }}-runs
      instance_config_map: {{ .Release.Name }}-instance
      dagster_home: {{ $home }}/dagster
      image_pull_policy: {{ .Values.imagePullPolicy }}
      image_pull_secrets: {{ include "mlp.pull-secrets" . }}
      env_config_maps: [{{ .Release.Name }}-settings]
      env_secrets: [{{ .Values.secret }}]
      labels: {mlp/component: run, app.kubernetes.io/instance: {{ .Release.Name }}}
      resources: {{ .Values.runs.resources | toJson }}
      security_context: {{ include "mlp.container-security" . }}
      volumes:
      - {name: home, emptyDir: {}}
      - {name: keys, secret: {secretName: {{ .Values.promotionKey.secret }}, defaultMode: 0440}}
      volume_mounts:
      - {name: home, mountPath: {{ $home }}}
      - {name: keys, mountPath: /keys, readOnly: true}
      run_k8s_config:
        pod_spec_config:
          security_context: {{ include "mlp.pod-security" . }}
          enable_service_links: false
        job_spec_config: {ttl_seconds_after_finished: 3600}
{{- end -}}
