"""The replica's current model. Kept in a module because Ray pickles the deployment class by value but imports this."""

from mlp_assets.endpoints.replica.model import ServedModel
from mlp_assets.errors import MlpError

_loaded: list[ServedModel] = []


def current() -> ServedModel:
    """The live model. Raises MlpError before the first one is loaded."""
    if not _loaded:
        raise MlpError("No model is loaded yet.")
    return _loaded[-1]


def swap(model: ServedModel) -> None:
    """Makes the model live. Requests in progress finish on the one that they began with."""
    _loaded[:] = [model]


def is_loaded() -> bool:
    return bool(_loaded)
