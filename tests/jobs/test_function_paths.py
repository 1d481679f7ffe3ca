"""Stored paths of functions are found, those of renamed packages too."""

import pytest

from mlp_assets.examples.retail import features
from mlp_assets.jobs.function_paths import load_by_path


@pytest.mark.parametrize("package", ["mlp_assets.examples", "mlp_assets.projects"])
def test_the_example_is_found_under_both_names_of_its_package(package: str) -> None:
    name = next(name for name, value in vars(features).items() if getattr(value, "__module__", "") == features.__name__)
    assert load_by_path(f"{package}.retail.features:{name}") is getattr(features, name)


def test_a_path_that_leads_nowhere_raises() -> None:
    with pytest.raises(AttributeError):
        load_by_path("mlp_assets.errors:nothing")
