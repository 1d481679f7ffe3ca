"""Reads of the registry by MLflow's REST API, which needs neither `import mlflow` (120 MB, 2.7 CPU seconds) nor its
SQL store (46 MB, 1.4 s).

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html, version 2.0.
"""

import functools
from collections.abc import Mapping
from typing import Any

import httpx

from mlp_assets.local_http import local_client
from mlp_resources.ports.registry import RegisteredVersion

DIGEST_TAG = "mlp.digest"
# MLflow's error codes for an unknown model and for a model without the alias.
NOT_FOUND = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_TIMEOUT_SECONDS = 10.0


class NoAnswerError(Exception):
    """The server did not give the answer; the store itself may."""


class MlflowServer:
    """The MLflow server of the same store.

    Args:
        address: such as ``http://127.0.0.1:5000``. It is reached without a proxy.

    Raises:
        NoAnswerError: from each method, where the server cannot be reached or fails.
    """

    def __init__(self, address: str, page_rows: int = 1000) -> None:
        self._address, self._page_rows = f"{address.rstrip('/')}/api/2.0/mlflow", page_rows

    def versions(self, model: str) -> list[RegisteredVersion]:
        """All versions; an unknown model has none."""
        versions: list[RegisteredVersion] = []
        query = {"filter": f"name='{model}'", "max_results": self._page_rows, "order_by": "version_number ASC"}
        while True:
            page = _success(self._get("model-versions/search", query))
            versions += [_version(entry) for entry in page.get("model_versions", [])]
            if not page.get("next_page_token"):
                return versions
            query["page_token"] = page["next_page_token"]

    def version_by_alias(self, model: str, alias: str) -> RegisteredVersion | None:
        """The version that the alias names; None without the alias or the model."""
        answer = self._get("registered-models/alias", {"name": model, "alias": alias})
        if answer.status_code in (400, 404) and _body(answer).get("error_code") in NOT_FOUND:
            return None
        return _version(_success(answer)["model_version"])

    def _get(self, path: str, query: Mapping[str, Any]) -> httpx.Response:
        try:
            return _client().get(f"{self._address}/{path}", params=query)
        except httpx.HTTPError as error:
            raise NoAnswerError from error


@functools.cache
def _client() -> httpx.Client:
    return local_client(_TIMEOUT_SECONDS)


def _success(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code != 200:
        raise NoAnswerError
    return _body(answer)


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise NoAnswerError from error
    if not isinstance(body, dict):
        raise NoAnswerError
    return body


def _version(entry: Mapping[str, Any]) -> RegisteredVersion:
    tags = {tag["key"]: tag.get("value", "") for tag in entry.get("tags", [])}
    return RegisteredVersion(
        entry["name"], str(entry["version"]), entry.get("run_id", ""), tags.get(DIGEST_TAG, ""), tags
    )
