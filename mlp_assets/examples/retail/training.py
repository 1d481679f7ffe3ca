"""Training of the two retail models."""

import numpy as np

import mlp_assets as mlp

_ROWS_AT_ONCE = 16_384


def train_repurchase(run: mlp.TrainingRun) -> object:
    """A small network, trained by all processes of the run. Keeps the epoch with the best validation loss."""
    import torch
    from accelerate import DistributedDataParallelKwargs
    from torch import nn

    from mlp_assets.examples.retail.network import RepurchaseNetwork

    torch.manual_seed(run.seed)
    # The buffers of the network never change, so broadcasting them before each step would be wasted.
    accelerator = run.accelerator(kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)])
    inputs = run.train.head(len(run.train))  # `run.train.x` would keep them in memory while batches are read from files
    network = RepurchaseNetwork(inputs, hidden=run.params.get("hidden", 64))
    del inputs
    rate, epochs, batch = run.params.get("rate", 4e-3), run.params.get("epochs", 5), run.params.get("batch", 4096)
    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3))
    loader, best, loss_of = run.loader(batch // run.world_size), run.best(network), nn.BCEWithLogitsLoss()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(loader) + 1)
    saved = run.checkpoints(model=network, optimizer=optimizer, schedule=schedule, loader=loader, best=best)
    for batches in loader.epochs(epochs):
        losses: list[float] = []
        for x, y in batches:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            saved.step()
        with torch.no_grad():
            logits = torch.cat([network(part) for part in torch.from_numpy(run.validation.x).split(_ROWS_AT_ONCE)])
            validation = loss_of(logits, torch.from_numpy(run.validation.y)).item()
        best.offer(validation)
        run.log(saved.done, train_log_loss=sum(losses) / max(1, len(losses)), validation_log_loss=validation)
    best.restore()
    return nn.Sequential(network, nn.Sigmoid())


def train_demand(run: mlp.TrainingRun) -> object:
    """Boosted trees for the absolute error, stopped early on the validation rows."""
    import lightgbm

    curves: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        {
            "objective": "regression_l1",
            "metric": "mae",
            "learning_rate": 0.05,
            "num_leaves": 63,
            "min_data_in_leaf": 100,
            "num_threads": 2,
            "seed": run.seed,
            "deterministic": True,
            "verbose": -1,
        }
        | dict(run.params),
        lightgbm.Dataset(run.train.x.astype(np.float64), run.train.y, feature_name=list(run.features)),
        num_boost_round=600,
        valid_sets=[lightgbm.Dataset(run.validation.x.astype(np.float64), run.validation.y)],
        valid_names=["validation"],
        callbacks=[lightgbm.early_stopping(40, verbose=False), lightgbm.record_evaluation(curves)],
    )
    for step, value in enumerate(curves["validation"]["l1"], 1):
        if step % 25 == 0 or step == booster.best_iteration:
            run.log(step, validation_mae=value)
    return booster
