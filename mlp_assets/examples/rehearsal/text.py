"""``mlp text``: fine-tunes a small sentence encoder on product texts, judges it, and shows some of its answers."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import dagster as dg
import polars as pl
from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table as Grid

from mlp_assets.artifact.manifest import load_scorer
from mlp_assets.examples.catalogue import feed
from mlp_assets.examples.catalogue.project import EPOCHS, first_sales, product_category, project
from mlp_assets.examples.rehearsal.stages import Stages
from mlp_assets.jobs.metrics_log import METRICS_LOG, read_metrics
from mlp_assets.local_platform.memory_needs import TEXT, describe_memory
from mlp_assets.nouns.checks.texts import duration, moment
from mlp_assets.orchestration import keys
from mlp_assets.orchestration.run_assets import facts, materialize
from mlp_assets.platform import definitions_for
from mlp_resources.environments.local import LocalEnvironment
from mlp_resources.environments.variables import use_home

_TRAINING_SET, _CANDIDATE, _CHAMPION = keys.retraining(project, product_category)[:3]
_SHOWN, _LOOK_SECONDS = 10, 1.0


def run(console: Console) -> None:
    """Registers a version, which the web UIs of `mlp up` show. Raises MlpError when a stage did not happen."""
    feed.encoder_folder()  # fails early where the encoder is not installed
    console.print(describe_memory("mlp text", TEXT), markup=False, highlight=False)
    environment, instance, stages = LocalEnvironment(use_home()), dg.DagsterInstance.get(), Stages(console)
    job = definitions_for(project, environment=environment).resolve_implicit_global_asset_job_def()
    with stages.progress:
        with stages.stage("Reading which products were first sold when"):
            materialize(job, instance, [keys.source(project.name, first_sales)], _all_weeks())
        with stages.stage("Splitting them into training, validation and test"):
            materialize(job, instance, [_TRAINING_SET])
        with (
            stages.stage("Fine-tuning, judging and registering", EPOCHS) as advance,
            _follow_epochs(environment, advance),
        ):
            materialize(job, instance, [_CANDIDATE, _CHAMPION])
    stages.progress.stop()
    metadata = facts(instance, _CANDIDATE)
    for name in ("parts", "compared", "gates"):
        console.print(Panel(Markdown(str(metadata[name])), title=name, expand=False))
    console.print(_answers(environment))
    console.print("See it with: make up. The version, its card and its files are in MLflow.")


@contextlib.contextmanager
def _follow_epochs(environment: LocalEnvironment, advance: Callable[[], None]) -> Iterator[None]:
    """Calls ``advance`` for each epoch that the training, which is another process, has logged."""
    runs, over, begun = environment.home / "training", threading.Event(), time.time()

    def follow() -> None:
        seen = 0
        while not over.wait(_LOOK_SECONDS):
            logs = [path for path in runs.glob(f"*/{METRICS_LOG}") if path.stat().st_mtime >= begun]
            done = len({step for path in logs for step, _, _ in read_metrics(path.parent)})
            for _ in range(done - seen):
                advance()
            seen = max(seen, done)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _all_weeks() -> dict[str, str]:
    assert first_sales.end is not None
    last = moment(first_sales.end) - duration(first_sales.every)
    return {
        "dagster/asset_partition_range_start": first_sales.start,
        "dagster/asset_partition_range_end": f"{last:%Y-%m-%d}",
    }


def _answers(environment: LocalEnvironment) -> Grid:
    """The newest version's answers for some products of the test split."""
    version = environment.registry.versions(keys.registered_model(project.name, product_category))[-1]
    scorer = load_scorer(environment.registry.download(version), version.digest)
    rows = environment.lake.scan(keys.table(_TRAINING_SET)).filter(pl.col("split") == "test").collect()
    shown = rows.sample(_SHOWN, seed=1)
    answers = scorer.facts.classes.answers(scorer.predict(scorer.encoding.matrix(shown)))
    grid = Grid("product", "category", "answer", "probability", title="Products of the test split")
    columns = (shown["text"], shown["category"], answers["prediction"], answers["probability"])
    for text, category, answer, sure in zip(*columns, strict=True):
        grid.add_row(text, category, answer, f"{sure:.2f}", style="green" if answer == category else "")
    return grid
