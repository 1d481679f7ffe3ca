"""The tuner on Optuna: its sampler chooses the settings, its journal stores the outcomes."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlp_assets.jobs.fence import LeaseLostError
from mlp_assets.nouns.search import Choice, FloatRange, Range
from mlp_resources.leases.holding import holding
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.lease import Lease, LeaseHeldError, Leases
from mlp_resources.ports.search import Outcome, Trial

_OUTCOME = "outcome"
_REASON = "told"  # its name in journals, older ones too


class OptunaTuner:
    """A study in a journal file. Each choice has its own seed, so a resumed search chooses like an uninterrupted one.

    Args:
        path: of the journal. Where another process searches with it, this study is kept in memory only.
        leases: the journal is written under a lease of its name, and each write passes the lease's fence.
        database: the address of a database, as SQLAlchemy writes it, which keeps the study in place of the journal.
    """

    def __init__(
        self,
        path: Path,
        space: Mapping[str, Range],
        seed: int,
        *,
        higher_is_better: bool,
        leases: Leases | None = None,
        database: str | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._path, self._seed, self._optuna = path, seed, optuna
        self._space = {name: _distribution(optuna, values) for name, values in space.items()}
        self._database = database
        path.parent.mkdir(parents=True, exist_ok=True)
        self._leases, self._stack = leases or LocalLeases(path.parent / "leases"), contextlib.ExitStack()
        self._lease: Lease | None = None
        with contextlib.suppress(LeaseHeldError):
            self._lease = self._stack.enter_context(holding(self._leases, f"search-{path.stem}"))
        direction = "maximize" if higher_is_better else "minimize"
        self._study = optuna.create_study(
            storage=self._storage(),
            study_name=path.stem if database else "search",
            direction=direction,
            load_if_exists=True,
        )

    def next(self, at_once: int, trials: int) -> list[Trial]:
        running = self._trials(self._optuna.trial.TrialState.RUNNING)
        batch = [Trial(trial.number, dict(trial.params)) for trial in running]
        total = len(self._study.get_trials(deepcopy=False))
        end = -(-total // at_once) * at_once if running else total + at_once
        for number in range(total, min(end, trials)):
            self._study.sampler = self._optuna.samplers.TPESampler(seed=(self._seed + 7919 * number) % 2**32)
            with self._fenced():
                trial = self._study.ask(self._space)
            batch.append(Trial(trial.number, dict(trial.params)))
        return batch

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        states = self._optuna.trial.TrialState
        ids = {trial.number: trial._trial_id for trial in self._study.get_trials(deepcopy=False)}
        for outcome in outcomes:
            attribute = json.dumps(_stored(outcome))
            with self._fenced():
                self._optuna.trial.Trial(self._study, ids[outcome.number]).set_user_attr(_OUTCOME, attribute)
                if outcome.value is not None:
                    self._study.tell(outcome.number, outcome.value)
                else:
                    self._study.tell(outcome.number, state=states.PRUNED if outcome.state == "stopped" else states.FAIL)

    def outcomes(self) -> list[Outcome]:
        done = self._trials(*(getattr(self._optuna.trial.TrialState, name) for name in ("COMPLETE", "PRUNED", "FAIL")))
        return [_loaded(trial.user_attrs[_OUTCOME]) for trial in sorted(done, key=lambda trial: trial.number)]

    def close(self) -> None:
        self._stack.close()

    def forget(self) -> None:
        if self._lease is not None:
            with contextlib.suppress(LeaseLostError), self._fenced():
                self._delete()
        self.close()

    def _delete(self) -> None:
        if self._database is None:
            self._path.unlink(missing_ok=True)
        else:
            self._optuna.delete_study(study_name=self._path.stem, storage=self._study._storage)

    def _fenced(self) -> contextlib.AbstractContextManager[None]:
        """For a write to the journal. Raises LeaseLostError where another process searches with it by now."""
        return self._leases.fenced(self._lease) if self._lease is not None else contextlib.nullcontext()

    def _trials(self, *states: Any) -> list[Any]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _storage(self) -> Any:
        from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        if self._lease is None:
            return InMemoryStorage()
        if self._database is not None:
            return RDBStorage(self._database)
        return JournalStorage(JournalFileBackend(str(self._path)))


def _stored(outcome: Outcome) -> dict[str, Any]:
    fields = asdict(outcome)
    fields[_REASON] = fields.pop("reason")
    return fields


def _loaded(text: str) -> Outcome:
    fields = json.loads(text)
    fields["reason"] = fields.pop(_REASON)
    return Outcome(**fields | {"history": tuple(tuple(point) for point in fields["history"])})


def _distribution(optuna: Any, values: Range) -> Any:
    if isinstance(values, Choice):
        return optuna.distributions.CategoricalDistribution(list(values.values))
    kind = "FloatDistribution" if isinstance(values, FloatRange) else "IntDistribution"
    return getattr(optuna.distributions, kind)(values.low, values.high, log=values.log)
