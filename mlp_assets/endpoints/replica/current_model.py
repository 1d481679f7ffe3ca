"""The model that answers in this replica. A module of its own, as Ray copies the deployment class but imports this."""

from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.errors import MlpError

_held: list[ServedModel] = []


def current() -> ServedModel:
    """The model that answers now. Raises MlpError before the first one is loaded."""
    if not _held:
        raise MlpError("No model is loaded yet.")
    return _held[-1]


def swap(model: ServedModel) -> None:
    """Makes this the model that answers; requests under way finish on the one they began with."""
    _held[:] = [model]


def holds() -> bool:
    return bool(_held)
