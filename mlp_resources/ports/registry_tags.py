"""Tags of a registered version. Registries hold them, so a name never changes.

Tags are for people and for finding things again. Whether a version passed, and which version is the champion, goes by
what was signed.
"""

from typing import Final

JUDGEMENT: Final = "mlp.judgement"  # signed
GATES: Final = "mlp.gates"
GATES_PASSED: Final = "passed"
GATES_REFUSED: Final = "refused"
JUDGED_AGAINST: Final = "mlp.judged_against"
COMPARED: Final = "mlp.compared"
TRAINING_SET: Final = "mlp.training_set"  # {table: Delta version}
TRAINING_SET_DIGEST: Final = "mlp.training_set_digest"
TABLES_READ: Final = "mlp.tables_read"  # {table: Delta version} that the training set was made of
SHARD_BYTES: Final = "mlp.shard_bytes"
TRAINED_UNTIL: Final = "mlp.trained_until"
SPLIT_BY_GROUP: Final = "mlp.split_by_group"
CODE_VERSION: Final = "mlp.code_version"
COMMIT: Final = "mlflow.source.git.commit"
SEED: Final = "mlp.seed"
SEARCHED_PARAMS: Final = "mlp.searched_params"
DAGSTER_RUN: Final = "dagster.run_id"
