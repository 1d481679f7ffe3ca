"""A project whose models are trained and whose rows are scored, once for all tests of the folder."""

from datetime import timedelta

import pytest

from tests.support import visits
from tests.support.platform import Platform, weeks


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    visits.CLOCK.time = visits.FIRST + timedelta(weeks=20)
    platform = Platform(visits.project, tmp_path_factory.mktemp("built"), now=visits.CLOCK)
    platform.run("source", "features", tags=weeks("2024-01-01", "2024-05-13"))
    platform.run("training_set", "candidate", "champion")
    platform.run("batch_score", tags=weeks("2024-04-08", "2024-05-13"))
    return platform
