"""A search whose study lies in a real PostgreSQL: another machine resumes it, and chooses as an uninterrupted one."""

from pathlib import Path

from mlp_assets.nouns.search import FloatRange, IntRange
from mlp_resources.compute.tuner_optuna import OptunaTuner
from mlp_resources.leases.postgres import PostgresLeases
from mlp_resources.ports.search import Outcome, Trial
from tests.support.postgres_server import NEEDED, postgres_server

pytestmark = NEEDED

SPACE = {"rate": FloatRange(0.001, 1.0, log=True), "depth": IntRange(2, 9)}


def outcome(trial: Trial) -> Outcome:
    value = float(trial.params["rate"]) * float(trial.params["depth"])
    return Outcome(trial.number, trial.params, "done", value, "", ((1, "auc", value),), 0.5)


def searched(tuner: OptunaTuner, trials: int) -> list[Outcome]:
    while batch := tuner.next(2, trials):
        tuner.tell([outcome(trial) for trial in batch])
    return tuner.outcomes()


def test_another_machine_resumes_the_search(tmp_path: Path) -> None:
    with postgres_server() as server:
        database = server.address.replace("postgresql://", "postgresql+psycopg2://")

        def tuner(machine: str) -> OptunaTuner:
            leases, path = PostgresLeases(database), tmp_path / machine / "shop.buys-1.journal"
            return OptunaTuner(path, SPACE, 7, higher_is_better=True, leases=leases, database=database)

        whole = tuner("whole")
        expected = searched(whole, 8)
        whole.forget()
        first = tuner("one")
        assert first.outcomes() == []
        searched(first, 4)
        beside = tuner("beside")
        assert beside.outcomes() == []  # the first one still searches: this one keeps its study to itself
        beside.close()
        first.close()
        second = tuner("other")
        assert len(second.outcomes()) == 4
        assert searched(second, 8) == expected
        second.forget()
