"""What the ids of a request's predictions begin with: a caller who names a request gets the same ones on a retry."""

import json
import uuid

import polars as pl

from mlp_assets.endpoints.replica.protocol import InferRequest

_NAMESPACE = uuid.UUID("6f1c6d3a-2f0b-4c53-9a58-6d1d7c5b2c11")  # never changes: a retry may reach a newer replica
_VERSION = 12  # where the hexadecimal form of a UUID says how it was made; RFC 9562, section 4.2


def call_of(request: InferRequest) -> str:
    """32 hexadecimal digits: of the request's id, values and time, and random where it has no id.

    The time of a request that does not say ``at`` counts by the day (UTC), so a retry is the same request.
    """
    if not request.id:
        return uuid.uuid4().hex
    at = request.at.isoformat() if request.at_given else request.at.date().isoformat()
    return uuid.uuid5(_NAMESPACE, json.dumps([request.id, at, request.columns], sort_keys=True)).hex


def is_named() -> pl.Expr:
    """Whether the caller named the request of a ``prediction_id``, so that it may be in the log already."""
    return pl.col("prediction_id").str.slice(_VERSION, 1) == "5"
