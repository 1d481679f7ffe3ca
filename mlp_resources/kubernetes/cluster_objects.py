"""Reads and writes the Jobs of trainings, by Kubernetes' API."""

import contextlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from mlp_resources.ports.training import TrainingFailedError

_TIMEOUT = 20  # seconds of a request


class ClusterObjects:
    """Jobs, Services and pods of one namespace.

    The cluster is the one that the pod of this process runs in, or else that of ``KUBECONFIG``.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def create(self, objects: Sequence[dict[str, Any]]) -> None:
        """Creates a Service and a Job. What exists already under a name is this very object.

        Raises:
            TrainingFailedError: the cluster refuses an object.
        """
        for item in objects:
            create = (
                self._core.create_namespaced_service if item["kind"] == "Service" else self._batch.create_namespaced_job
            )
            try:
                create(self.namespace, item, _request_timeout=_TIMEOUT)
            except self._error as error:
                if error.status == 409:
                    continue
                if error.status in (400, 403, 422):
                    raise TrainingFailedError(
                        f"The cluster refuses the {item['kind']} {item['metadata']['name']} in the namespace "
                        f"{self.namespace}: {_message(error)}"
                    ) from error
                raise

    def job(self, name: str) -> Any | None:
        try:
            return self._batch.read_namespaced_job(name, self.namespace, _request_timeout=_TIMEOUT)
        except self._error as error:
            if error.status == 404:
                return None
            raise

    def pods(self, name: str) -> list[Any]:
        """The pods of a Job."""
        return self._core.list_namespaced_pod(
            self.namespace, label_selector=f"job-name={name}", _request_timeout=_TIMEOUT
        ).items

    def refusals(self, name: str) -> list[str]:
        """Why pods of a Job could not be made, as its events say; the newest last."""
        events = self._core.list_namespaced_event(
            self.namespace,
            field_selector=f"involvedObject.name={name},involvedObject.kind=Job,reason=FailedCreate",
            _request_timeout=_TIMEOUT,
        ).items
        return [event.message for event in sorted(events, key=lambda each: str(each.last_timestamp or each.event_time))]

    def delete(self, name: str) -> None:
        """Deletes a Job with its pods, and its Service."""
        for delete in (self._batch.delete_namespaced_job, self._core.delete_namespaced_service):
            with contextlib.suppress(self._error):
                delete(name, self.namespace, propagation_policy="Background", _request_timeout=_TIMEOUT)

    @cached_property
    def _error(self) -> Any:
        from kubernetes.client.exceptions import ApiException

        return ApiException

    @cached_property
    def _clients(self) -> tuple[Any, Any]:
        from kubernetes import client, config

        here = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=here)
            made = client.ApiClient(here)
        except config.ConfigException:
            made = config.new_client_from_config()
        return client.BatchV1Api(made), client.CoreV1Api(made)

    @property
    def _batch(self) -> Any:
        return self._clients[0]

    @property
    def _core(self) -> Any:
        return self._clients[1]


def is_outage(error: Exception) -> bool:
    """Whether the cluster or the object store did not answer, or cannot now."""
    from botocore.exceptions import BotoCoreError
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    if isinstance(error, ApiException):
        return error.status in (None, 0, 429) or error.status >= 500
    refused = isinstance(error, FileNotFoundError | PermissionError)
    return isinstance(error, HTTPError | OSError | BotoCoreError) and not refused


def _message(error: Any) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return json.loads(error.body)["message"]
    return str(error.reason)
