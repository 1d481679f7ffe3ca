"""Tags of the runs that sensors request. Dagster stores them, so a name never changes."""

from typing import Final

TRIGGER: Final = "mlp/trigger"
MONITOR: Final = "mlp/monitor"
EPISODE: Final = "mlp/episode"
VIEW: Final = "mlp/view"
NEWS: Final = "news"  # values of TRIGGER, as the next ones are
ARRIVAL: Final = "arrival"
ALARM: Final = "alarm"
# Dagster restarts a run whose process died, but not one that failed on its own.
RETRIES: Final = {"dagster/max_retries": "2", "dagster/retry_on_asset_or_op_failure": "false"}
