"""A candidate to register: the artifact of the doubling model, and facts about it."""

import json
from pathlib import Path

import polars as pl

from mlp_resources.ports.registry import Candidate, Dataset
from tests.support.doubling_endpoint import doubling_model

DATASET = Dataset("shop/training_set/history", "/lake/history", 3, "d" * 64)


def candidate(folder: Path, key: str) -> Candidate:
    artifact = folder / key
    digest = doubling_model(artifact)
    example = pl.DataFrame({"spend": [1.0, 2.0], "hour": [3.0, 4.0]})
    history = ((1, "loss", 0.5), (2, "loss", 0.4))
    tags = {"mlp.training_set": json.dumps({"shop/training_set/history": 3})}
    pictures = {"performance": b"\x89PNG"}
    return Candidate(
        "shop.buys",
        key,
        artifact,
        digest,
        example,
        {"seed": 0},
        {"mae": 1.5},
        history,
        tags,
        pictures,
        DATASET,
        "# card",
        {"checks.json": "[]"},
    )
