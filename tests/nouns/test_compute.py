"""Compute: amounts of memory, and code versions that later fields leave as they are."""

import pytest

import mlp_assets as mlp
from mlp_assets.nouns.compute import memory_bytes
from mlp_assets.orchestration.code_version import fingerprint


def test_memory_is_read_with_its_unit() -> None:
    assert [memory_bytes(text) for text in ("8GB", "512 MiB", None)] == [8 * 10**9, 2**29, None]
    with pytest.raises(ValueError, match="not an amount of memory"):
        memory_bytes("8 gigs")


def test_resources_at_their_default_are_no_part_of_the_code_version() -> None:
    assert fingerprint(mlp.Accelerate(processes=2)) == "8c2ad959e2ae"  # before these fields existed
    assert fingerprint(mlp.Local()) == "9a34384efa69"
    assert fingerprint(mlp.Local(cpus=2)) != "9a34384efa69"
