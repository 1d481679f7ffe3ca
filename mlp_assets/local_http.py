"""HTTP to the platform's own servers on this machine: never by way of a proxy, whatever the environment says."""

from typing import Any

import httpx

_SHOWN = 200


def local_client(timeout: float, **options: Any) -> httpx.Client:
    """A client for servers on this machine. ``timeout`` is in seconds."""
    return httpx.Client(timeout=timeout, trust_env=False, **options)


def describe(answer: httpx.Response) -> str:
    """What a server answered, in half a sentence: status, and the beginning of what it said."""
    text = " ".join(answer.text.split())
    kind = answer.headers.get("content-type", "").partition(";")[0]
    said = f"a page ({text[:_SHOWN]})" if kind == "text/html" else text[:_SHOWN]
    return f"{answer.status_code} {answer.reason_phrase}" + (f": {said}" if said else "")
