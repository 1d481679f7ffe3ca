"""The record of publications: what is written first, and what is completed after a failure or a crash."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from mlp_assets.publications.progress import Progress
from mlp_assets.publications.record import PublicationRecord
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.ports.serving import StalePublicationError
from tests.support import samples as s

START = datetime(2024, 3, 4, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ROWS = pl.DataFrame({"user_id": [1], "event_time": [START], "spend": [1.0], "visits": [2.0]})


@dataclass
class Clock:
    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now


def publish(record: PublicationRecord, store: Callable[..., None], version: int, moments: int) -> None:
    progress = Progress(START + moments * DAY, ((START, START + moments * DAY),))
    with record.recording(version, progress) as note:
        store(record.store, ["user_id"], ["spend", "visits"], ROWS, version=version, note=note)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def environment(home: Path, clock: Clock) -> LocalEnvironment:
    return LocalEnvironment(home, now=clock)


@pytest.fixture
def record(environment: LocalEnvironment) -> PublicationRecord:
    return PublicationRecord(environment, "shop", s.view())


def test_a_publication_is_recorded_from_its_beginning_to_its_end(
    record: PublicationRecord, environment: LocalEnvironment, clock: Clock
) -> None:
    assert record.read() == []

    def publish_slowly(*arguments: object, **options: object) -> None:
        (begun,) = record.read()
        assert (begun.outcome, begun.visible) == ("begun", None)
        clock.now += HOUR
        environment.online.publish(*arguments, **options)  # type: ignore[arg-type]

    publish(record, publish_slowly, version=3, moments=2)
    (publication,) = record.read()
    assert publication.outcome == "published"
    assert (publication.begun, publication.visible) == (START, START + HOUR)
    assert publication.progress.spans == ((START, START + 2 * DAY),)
    assert (publication.table_version, publication.store) == (3, record.store)
    assert record.read(record.version()) == [publication]


def test_a_failed_publication_was_never_visible(
    record: PublicationRecord, environment: LocalEnvironment, clock: Clock
) -> None:
    publish(record, environment.online.publish, version=3, moments=2)
    clock.now += DAY
    with pytest.raises(StalePublicationError):
        publish(record, environment.online.publish, version=2, moments=3)
    assert [(each.outcome, each.visible) for each in record.read()] == [("published", START), ("failed", None)]


@pytest.mark.parametrize("landed", [True, False])
def test_after_a_crash_the_record_is_completed_from_the_store(
    record: PublicationRecord, environment: LocalEnvironment, clock: Clock, landed: bool
) -> None:
    """The process dies before or after the store has switched, and cannot write the end."""

    def die(*arguments: object, **options: object) -> None:
        clock.now += HOUR
        if landed:
            environment.online.publish(*arguments, **options)  # type: ignore[arg-type]
        clock.now += HOUR
        record._settle = lambda begun: None  # type: ignore[method-assign]  # the process is gone
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(record, die, version=3, moments=2)
    assert [each.outcome for each in record.read()] == ["begun"]
    again = PublicationRecord(environment, "shop", s.view())
    again.complete()
    assert [(each.outcome, each.visible) for each in again.read()] == [
        ("published", START + HOUR) if landed else ("failed", None)
    ]
    version = again.version()
    again.complete()
    assert again.version() == version


def test_a_publication_that_goes_on_outweighs_what_another_process_took_for_a_crash(
    record: PublicationRecord, environment: LocalEnvironment
) -> None:
    def publish_slowly(*arguments: object, **options: object) -> None:
        PublicationRecord(environment, "shop", s.view()).complete()
        environment.online.publish(*arguments, **options)  # type: ignore[arg-type]

    publish(record, publish_slowly, version=3, moments=2)
    assert [each.outcome for each in record.read()] == ["published"]


def test_only_publications_to_the_same_store_count(record: PublicationRecord, environment: LocalEnvironment) -> None:
    publish(record, environment.online.publish, version=3, moments=2)
    elsewhere = PublicationRecord(environment, "shop", s.view())
    elsewhere.store = "redis://elsewhere"
    assert elsewhere.read() == []


def test_the_files_of_the_record_are_merged(
    record: PublicationRecord, environment: LocalEnvironment, clock: Clock
) -> None:
    for version in range(20):
        clock.now += HOUR
        publish(record, environment.online.publish, version, moments=2)
    files = list(Path(environment.lake.location(record.table)).glob("*.parquet"))
    read = pl.read_delta(environment.lake.location(record.table))
    assert read.height == 40
    assert len(files) > 40  # earlier versions keep their own
    assert len(DeltaTable(environment.lake.location(record.table)).file_uris()) < 32
    assert [each.table_version for each in record.read()] == list(range(20))
