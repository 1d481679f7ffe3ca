"""The connection of this process to a Ray cluster that is there already."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any

from mlp_assets.errors import MlpError

_HERE = ("127.0.0.1", "localhost")


def connected(address: str, asked_by: str) -> Any:
    """The module ``ray``, connected.

    Args:
        asked_by: the setting for which it is needed, such as ``MLP_SHARDS``.

    Raises:
        MlpError: nothing answers at the address.
    """
    import ray
    from ray._private import ray_constants

    if ray.is_initialized():
        return ray
    host, _, port = address.rpartition(":")
    if host in _HERE:
        # `mlp up` starts a Ray of this machine alone; Ray's own switch for that is read when it is imported.
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        if port.isdecimal() and "://" not in host:
            socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would ask for minutes
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except OSError as error:
        raise MlpError(
            f"No Ray answers at {address}, and {asked_by}=ray asks for one: {error}. Start it with `mlp up`, "
            f"set RAY_ADDRESS, or unset {asked_by}."
        ) from error
    return ray


def results(
    submit: Callable[[Any], Any], items: Iterable[Any], *, at_once: int, patience_seconds: float, lost: str
) -> Generator[Any, None, None]:
    """What tasks return, in the order of their items, so many submitted at a time.

    Who stops early waits for those that are submitted, and none is cancelled: Ray aborts the process that cancels a
    running task which it had retried ("Tried to complete task that was not pending", ray-project/ray issue 54260).

    Args:
        submit: makes a task of an item.
        lost: what to say where Ray loses a task for good; ``{error}`` in it is Ray's own word.

    Raises:
        MlpError: a task did, or was lost. What else a task raises is raised too.
    """
    import ray

    waiting, under_way = iter(items), deque[Any]()
    try:
        while True:
            under_way.extend(submit(item) for item in islice(waiting, at_once - len(under_way)))
            if not under_way:
                return
            yield _result(ray, under_way[0], lost)
            under_way.popleft()
    finally:
        if under_way:
            ray.wait(list(under_way), num_returns=len(under_way), timeout=patience_seconds)


def _result(ray: Any, reference: Any, lost: str) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MlpError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise MlpError(lost.format(error=error)) from error
