"""Asks a service how it is, and says what it answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from mlp_assets.local_http import describe

_REFUSED = (401, 403, 407)


@dataclass(frozen=True)
class Probe:
    """What to ask a service.

    Args:
        url: answers with success once the service is healthy.
        headers: of the request, such as its token.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class Health:
    """The answer to a probe.

    Args:
        healthy: whether it was a success.
        seen: what was answered.
        final: whether it is an answer that waiting does not change.
        remedy: what to do about it.
    """

    healthy: bool
    seen: str = ""
    final: bool = False
    remedy: str = ""


def ask(client: httpx.Client, probe: Probe) -> Health:
    """The health of a service now."""
    try:
        answer = client.get(probe.url, headers=dict(probe.headers))
    except httpx.ConnectError:
        return Health(False, "nothing listens there yet", remedy="It may need longer on a busy machine.")
    except httpx.HTTPError as error:
        return Health(False, f"no answer ({type(error).__name__})", remedy="It may need longer on a busy machine.")
    if answer.status_code < 400:
        return Health(True)
    if answer.status_code in _REFUSED:
        remedy = "Another program, or a service of another home, listens on this port. Stop it, or choose another port."
        return Health(False, describe(answer), final=True, remedy=remedy)
    foreign = answer.status_code < 500
    remedy = "Another program answers on this port. Stop it, or choose another port." if foreign else ""
    return Health(False, describe(answer), final=foreign, remedy=remedy)
