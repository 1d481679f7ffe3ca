"""An alias that no promotion moved -> a failed check on the champion."""

import json
from collections.abc import Callable, Mapping

import dagster as dg

from mlp_assets.errors import MlpError
from mlp_assets.orchestration.check_names import ALIAS_AS_RECORDED

AliasProblem = Callable[[], str | None]
"""Returns what is wrong with an alias, as a sentence; None if nothing is. May raise MlpError."""


def alias_sensor(
    name: str, champions: Mapping[dg.AssetKey, AliasProblem], interval_seconds: int
) -> dg.SensorDefinition:
    """One sensor for all champions of a code location. Its cursor holds the last message for each.

    Args:
        champions: the champion's asset -> the check of its alias.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=min(interval_seconds, 30),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails the check of a champion whose alias in MLflow somebody moved without a promotion.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        last_messages: dict[str, str] = json.loads(context.cursor or "{}")
        events: list[dg.AssetCheckEvaluation] = []
        for key, alias_problem in champions.items():
            message, label = _message(alias_problem), key.to_user_string()
            if message == last_messages.get(label, ""):
                continue
            last_messages[label] = message
            events.append(_evaluation(key, message))
            if message:
                context.log.error(message)
        if not events:
            return dg.SkipReason("No alias has changed since the last check.")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(last_messages))

    return watch


def _message(alias_problem: AliasProblem) -> str:
    try:
        return alias_problem() or ""
    except MlpError as error:  # a broken record of one model must not hide the problems of others
        return str(error)


def _evaluation(key: dg.AssetKey, message: str) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=ALIAS_AS_RECORDED,
        passed=not message,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"message": message or "The alias names the version that was promoted."},
    )
