"""Names of the asset checks that the platform adds. Dagster stores them, so they never change; gates name their own."""

from typing import Final

LEAK_CERTIFICATE: Final = "leak_certificate"  # of a training set
ONLINE_EQUALS_OFFLINE: Final = "online_equals_offline"  # of a publication
COMPLETE_HISTORY: Final = "complete_history"  # of a view, a publication and a training set
USUAL_ROWS: Final = "usual_rows"  # of a source, or of a view whose source is read in place
SERVED_LAG: Final = "served_lag"  # of a publication
FEATURE_SKEW: Final = "feature_skew"  # of a prediction log, and of a candidate
ALIAS_AS_RECORDED: Final = "alias_as_recorded"  # of a champion
CALM: Final = "calm"  # of a monitor's alarms
