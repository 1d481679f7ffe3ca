"""An alias that no promotion moved -> a failed check on the champion, which names it."""

import json
from collections.abc import Callable, Mapping

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.orchestration.keys import ALIAS_CHECK

Standing = Callable[[], str | None]


def alias_sensor(name: str, champions: Mapping[dg.AssetKey, Standing], interval_seconds: int) -> dg.SensorDefinition:
    """One sensor for all champions of a code location; its cursor holds what it has said of each.

    Args:
        champions: the asset -> what is wrong with its alias in a sentence, None where nothing is.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=min(interval_seconds, 30),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails the check of a champion whose alias in MLflow somebody moved without a promotion.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        said: dict[str, str] = json.loads(context.cursor or "{}")
        events: list[dg.AssetCheckEvaluation] = []
        for key, standing in champions.items():
            wrong, label = _wrong(standing), key.to_user_string()
            if wrong == said.get(label, ""):
                continue
            said[label] = wrong
            events.append(_evaluation(key, wrong))
            if wrong:
                context.log.error(wrong)
        if not events:
            return dg.SkipReason("Nothing has changed: every alias stands as it was last told.")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(said))

    return watch


def _wrong(standing: Standing) -> str:
    try:
        return standing() or ""
    except MlpError as error:  # one model's broken record hides no other's
        return str(error)


def _evaluation(key: dg.AssetKey, wrong: str) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=ALIAS_CHECK,
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"told": wrong or "The alias names the version that was promoted."},
    )
