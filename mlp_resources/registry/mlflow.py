"""The model registry on MLflow: runs, versions, and the alias ``champion``. Works on SQLite without a server."""

import contextlib
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlp_assets.artifact.manifest import ArtifactError, verify
from mlp_resources.leases.holding import holding
from mlp_resources.leases.local import LocalLeases
from mlp_resources.ports.lease import Leases
from mlp_resources.ports.registry import Candidate, RegisteredVersion, RegistryError
from mlp_resources.ports.search import Outcome
from mlp_resources.registry.mlflow_flavours import log_model
from mlp_resources.registry.mlflow_server import DIGEST_TAG, NOT_FOUND, MlflowServer, NoAnswerError

CHAMPION = "champion"
_DESCRIPTION = 4900  # MLflow's column holds 5,000 characters
_DATABASE = "mlflow.db"
_WAIT_SECONDS = 3600.0  # for the registrations before this one
_KEY = "mlp.key"


class MlflowRegistry:
    """Registered models below ``folder``: ``mlflow.db`` and artifacts; or those of another store.

    A version is created under the lease ``registry`` and its fence. MLflow cannot fence its runs and the alias: a
    late run becomes no version, and the signed record of promotions decides, not the alias.

    Args:
        tracking_uri: of the other store, such as the address of a server, which keeps the artifacts as well.
        ui: the address of MLflow's pages, for links.
        server: returns the server of this same store, where one runs now. Versions and the alias are
            then read from it; whatever it does not answer, and all else, goes to the store itself.
    """

    def __init__(
        self,
        folder: Path,
        tracking_uri: str | None = None,
        ui: str = "http://127.0.0.1:5000",
        leases: Leases | None = None,
        server: Callable[[], MlflowServer | None] = lambda: None,
    ) -> None:
        self.folder, self._ui, self._server = folder, ui.rstrip("/"), server
        self._leases = leases or LocalLeases(folder / "leases")
        self._own_store = f"sqlite:///{folder / _DATABASE}"
        self.tracking_uri = tracking_uri or self._own_store

    def register(self, candidate: Candidate) -> RegisteredVersion:
        registering = holding(self._leases, "registry", wait_seconds=_WAIT_SECONDS)
        with registering as lease, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's hints are for people who call it directly
            for version in self.versions(candidate.model):
                if version.tags.get(_KEY) == candidate.key:
                    return version
            self._clear(candidate)
            run_id, logged = self._log_run(candidate)
            client = self._client()
            with contextlib.suppress(self._mlflow_error()):
                client.create_registered_model(candidate.model)
            tags = dict(candidate.tags) | {_KEY: candidate.key, DIGEST_TAG: candidate.digest}
            # MLflow 3 keeps a logged model apart from its run: models:/NAME/VERSION finds it by its own address alone.
            logged_as = {"source": logged.model_uri, "model_id": logged.model_id}
            card = _description(candidate.card)
            with self._leases.fenced(lease):
                version = client.create_model_version(
                    candidate.model, run_id=run_id, tags=tags, description=card, **logged_as
                )
            return RegisteredVersion(candidate.model, str(version.version), run_id, candidate.digest, tags)

    def models(self) -> list[str]:
        if self._has_no_store():
            return []
        names, token = list[str](), None
        while True:
            page = self._client().search_registered_models(page_token=token)
            names += [entry.name for entry in page]
            if not (token := page.token):
                return names

    def versions(self, model: str) -> list[RegisteredVersion]:
        if server := self._server():
            with contextlib.suppress(NoAnswerError):
                return server.versions(model)
        entries = self._client().search_model_versions(f"name='{model}'")
        return sorted(map(_version, entries), key=lambda version: int(version.version))

    def champion(self, model: str) -> RegisteredVersion | None:
        if server := self._server():
            with contextlib.suppress(NoAnswerError):
                return server.version_by_alias(model, CHAMPION)
        if self._has_no_store():
            return None
        try:
            return _version(self._client().get_model_version_by_alias(model, CHAMPION))
        except self._mlflow_error() as error:
            if error.error_code in NOT_FOUND:  # type: ignore[attr-defined]  # MLflow's own errors have it
                return None
            raise

    def url(self, version: RegisteredVersion) -> str:
        return f"{self._ui}/#/models/{version.model}/versions/{version.version}"

    def document(self, version: RegisteredVersion, name: str) -> str:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                return Path(self._client().download_artifacts(version.run_id, name, scratch)).read_text()
            except (OSError, self._mlflow_error()) as error:
                raise RegistryError(
                    f"Version {version.version} of {version.model} has no {name}. It was registered by an older "
                    "release, or the file was removed. Train the model again to have it."
                ) from error

    def name_champion(self, model: str, version: str) -> None:
        self._client().set_registered_model_alias(model, CHAMPION, version)

    def artifact(self, version: RegisteredVersion) -> str:
        return self.download(version).as_uri()

    def download(self, version: RegisteredVersion) -> Path:
        target = self.folder / "downloads" / version.digest
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):  # no lease: any writer writes the same verified bytes
            with contextlib.suppress(ArtifactError):
                verify(target, version.digest)
                return target
            shutil.rmtree(target, ignore_errors=True)  # a damaged copy is downloaded again
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                fetched = Path(self._client().download_artifacts(version.run_id, "serving", scratch))
                verify(fetched, version.digest)
                fetched.rename(target)
        return target

    def _has_no_store(self) -> bool:
        """Whether there is none yet. A query would create it, maybe while the server creates it."""
        return self.tracking_uri == self._own_store and not (self.folder / _DATABASE).exists()

    def _clear(self, candidate: Candidate) -> None:
        """Deletes the runs of earlier attempts that became no version."""
        same_key = f"tags.`{_KEY}` = '{candidate.key}'"
        for run in self._client().search_runs([self._experiment(candidate.model)], same_key):
            self._client().delete_run(run.info.run_id)

    def _log_run(self, candidate: Candidate) -> tuple[str, Any]:
        """Returns the run's id, and MLflow's info of the model that it logged."""
        mlflow = self._mlflow()
        name = f"{candidate.model}-{candidate.key[:8]}"
        tags = {_KEY: candidate.key} | {str(key): str(value) for key, value in candidate.tags.items()}
        with mlflow.start_run(experiment_id=self._experiment(candidate.model), run_name=name, tags=tags) as run:
            mlflow.log_params(dict(candidate.params))
            metrics = [mlflow.entities.Metric(n, v, 0, s) for s, n, v in candidate.history]
            self._client().log_batch(run.info.run_id, metrics=metrics)
            mlflow.log_metrics(dict(candidate.metrics))
            mlflow.log_artifacts(str(candidate.artifact), "serving")
            with tempfile.TemporaryDirectory() as scratch:
                for name, png in candidate.pictures.items():
                    path = Path(scratch) / f"{name}.png"
                    path.write_bytes(png)
                    mlflow.log_artifact(str(path), "pictures")
            for name, text in candidate.documents.items():
                mlflow.log_text(text, name)
            mlflow.log_text(candidate.card, "model-card.md")
            mlflow.log_input(_dataset(candidate), context="training")
            logged = log_model(candidate)
            for trial in candidate.trials:
                self._log_trial(mlflow, candidate, trial)
            return run.info.run_id, logged

    def _log_trial(self, mlflow: Any, candidate: Candidate, trial: Outcome) -> None:
        """Logs a trial of the search as a child of the active run."""
        tags = {_KEY: candidate.key, "mlp.trial": trial.state, "mlp.trial_reason": trial.reason[:500]}
        experiment, name = self._experiment(candidate.model), f"trial-{trial.number}"
        with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True, tags=tags) as run:
            mlflow.log_params(dict(trial.params))
            metrics = [mlflow.entities.Metric(n, v, 0, s) for s, n, v in trial.history]
            self._client().log_batch(run.info.run_id, metrics=metrics)
            mlflow.log_metric("seconds", trial.seconds)
            if trial.value is not None:
                mlflow.log_metric("value", trial.value)

    def _experiment(self, name: str) -> str:
        client = self._client()
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return experiment.experiment_id
        own = self.tracking_uri == self._own_store
        location = (self.folder / "artifacts" / name).as_uri() if own else None  # the server chooses
        return client.create_experiment(name, artifact_location=location)

    def _mlflow(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(self.tracking_uri)
        return mlflow

    def _client(self) -> Any:
        mlflow = self._mlflow()
        return mlflow.MlflowClient(self.tracking_uri, self.tracking_uri)

    def _mlflow_error(self) -> type[Exception]:
        from mlflow.exceptions import MlflowException

        return MlflowException


def _description(card: str) -> str:
    """The first lines of the card that fit MLflow's column."""
    if len(card) <= _DESCRIPTION:
        return card
    return card[:_DESCRIPTION].rpartition("\n")[0] + "\n\nThe rest is in the run's model-card.md."


def _dataset(candidate: Candidate) -> Any:
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    dataset = candidate.dataset
    source = DeltaDatasetSource(path=dataset.location, delta_table_version=dataset.version)
    return MetaDataset(source, name=dataset.name, digest=dataset.digest[:32])


def _version(entry: Any) -> RegisteredVersion:
    tags = dict(entry.tags)
    return RegisteredVersion(entry.name, str(entry.version), entry.run_id or "", tags.get(DIGEST_TAG, ""), tags)
