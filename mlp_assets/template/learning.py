"""The derived features, and how the model is trained."""

import polars as pl

import mlp_assets as mlp


def rhythm() -> dict[str, pl.Expr]:
    """How overdue the next order is, relative to the customer's usual gap. The same in training and in requests."""
    usual_gap = 84 / (pl.col("orders_84d") + 1)
    return {"overdue": pl.col("days_since_order") / usual_gap}


def train(run: mlp.TrainingRun) -> object:
    """Boosted trees, stopped early on the validation rows. Runs in a separate process."""
    import lightgbm

    rows = lightgbm.Dataset(run.train.x, run.train.y, feature_name=list(run.features))
    validation = rows.create_valid(run.validation.x, run.validation.y)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": run.seed} | dict(run.params)
    stop = lightgbm.early_stopping(20, verbose=False)
    booster = lightgbm.train(settings, rows, 300, valid_sets=[validation], callbacks=[stop])
    run.log(booster.best_iteration, validation_log_loss=booster.best_score["valid_0"]["binary_logloss"])
    return booster
