"""The project with late visits, as tests of its endpoint find it."""

from pathlib import Path

import pytest

from tests.support.asked_visits import with_publications
from tests.support.late_visits import Clock
from tests.support.platform import Platform
from tests.support.snapshots import Snapshots


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(snapshots: Snapshots, home: Path, clock: Clock) -> Platform:
    """A champion; what it reads was published an hour ago."""
    return with_publications(snapshots, home, clock)
