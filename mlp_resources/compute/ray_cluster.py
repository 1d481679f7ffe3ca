"""The connection of this process to a running Ray cluster."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any

from mlp_assets.errors import MlpError

_HERE = ("127.0.0.1", "localhost")


def connect(address: str, asked_by: str) -> Any:
    """Connects to the cluster and returns the module ``ray``.

    Args:
        asked_by: the setting that needs it, such as ``MLP_SHARDS``; for messages.

    Raises:
        MlpError: nothing answers at the address.
    """
    import ray
    from ray._private import ray_constants

    if ray.is_initialized():
        return ray
    host, _, port = address.rpartition(":")
    if host in _HERE:
        # `mlp up` starts a Ray of one machine; Ray reads its switch for that when it is imported.
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        if port.isdecimal() and "://" not in host:
            socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would retry for minutes
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except OSError as error:
        raise MlpError(
            f"No Ray answers at {address}, and {asked_by}=ray asks for one: {error}. Start it with `mlp up`, "
            f"set RAY_ADDRESS, or unset {asked_by}."
        ) from error
    return ray


def ordered_results(
    submit: Callable[[Any], Any], items: Iterable[Any], *, at_once: int, patience_seconds: float, lost: str
) -> Generator[Any, None, None]:
    """The results of tasks, in the order of their items, with ``at_once`` tasks submitted at a time.

    If the consumer stops early, submitted tasks are awaited, not cancelled: Ray aborts a process that cancels a running
    task which Ray had retried ("Tried to complete task that was not pending", ray-project/ray issue 54260).

    Args:
        submit: submits a task for an item.
        patience_seconds: how long to wait for submitted tasks when the consumer stops early.
        lost: the message when Ray loses a task for good; ``{error}`` in it becomes Ray's own message.

    Raises:
        MlpError: a task raised it, or was lost. Other exceptions of a task are raised as they are.
    """
    import ray

    waiting, submitted = iter(items), deque[Any]()
    try:
        while True:
            submitted.extend(submit(item) for item in islice(waiting, at_once - len(submitted)))
            if not submitted:
                return
            yield _result(ray, submitted[0], lost)
            submitted.popleft()
    finally:
        if submitted:
            ray.wait(list(submitted), num_returns=len(submitted), timeout=patience_seconds)


def _result(ray: Any, reference: Any, lost: str) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MlpError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise MlpError(lost.format(error=error)) from error
