"""Asks Dagster which code locations of the workspace did not load."""

from mlp_assets.local_http import local_client

FIX = "Fix it, then reload it on Dagster's Deployment page."
_QUERY = """{
  workspaceOrError {
    ... on Workspace {
      locationEntries { name locationOrLoadError { ... on PythonError { message causes { message } } } }
    }
  }
}"""


def failed_locations(dagster_port: int) -> dict[str, str]:
    """Name of each code location that did not load -> the reason.

    Raises:
        httpx.HTTPError: Dagster does not answer.
    """
    url = f"http://127.0.0.1:{dagster_port}/graphql"
    with local_client(timeout=30) as client:
        answer = client.post(url, json={"query": _QUERY})
    answer.raise_for_status()
    entries = answer.json()["data"]["workspaceOrError"].get("locationEntries", [])
    errors = {entry["name"]: entry["locationOrLoadError"] or {} for entry in entries}
    return {name: [error, *error["causes"]][-1]["message"].strip() for name, error in errors.items() if error}
