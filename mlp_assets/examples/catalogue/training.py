"""Training of the category model: fine-tunes the whole sentence encoder."""

from typing import Any

import mlp_assets as mlp


def train_category(run: mlp.TrainingRun) -> object:
    """Fine-tunes with the precision and the gradient accumulation of the model's compute.

    Keeps the epoch with the best validation loss. Rows of a category without training rows do not count.
    """
    import torch
    from torch import nn

    from mlp_assets.examples.catalogue.network import CategoryNetwork, Probabilities

    torch.manual_seed(run.seed)
    accelerator = run.accelerator()
    network = CategoryNetwork(len(run.classes))
    rates = [run.params.get("rate", 2e-4), run.params.get("head_rate", 2e-3)]
    groups = [{"params": part.parameters(), "lr": rate} for part, rate in zip(network.parts, rates, strict=True)]
    model, optimizer = accelerator.prepare(network, torch.optim.AdamW(groups, weight_decay=0.01))
    loader, best = run.loader(run.params.get("batch", 16) // run.world_size), run.best(network)
    epochs, loss_of = run.params["epochs"], nn.CrossEntropyLoss(ignore_index=-1)
    steps = epochs * -(-len(loader) // accelerator.gradient_accumulation_steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps + 1, pct_start=0.1)
    saved = run.checkpoints(every=100, model=network, optimizer=optimizer, schedule=schedule, loader=loader, best=best)
    for batches in loader.epochs(epochs):
        model.train()
        losses: list[float] = []
        for x, y in batches:
            with accelerator.accumulate(model):
                loss = loss_of(model(x), y.long())
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            if accelerator.sync_gradients:
                schedule.step()
                saved.step()
            losses.append(loss.item())
        best.offer(validation := _validation_loss(network, run))
        run.log(saved.done, train_log_loss=sum(losses) / len(losses), validation_log_loss=validation)
    best.restore()
    return Probabilities(network)


def _validation_loss(network: Any, run: mlp.TrainingRun) -> float:
    import torch

    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(run.validation.x))
    truth = torch.from_numpy(run.validation.y).long()
    return torch.nn.functional.cross_entropy(logits.float(), truth, ignore_index=-1).item()
