"""The network and the steps that all contenders of the training benchmark share; peers import it alone."""

import time
from collections.abc import Callable
from typing import Any

BATCH, WARM_UP, STEPS, WIDTH = 4096, 10, 80, 64
FEATURES = tuple(f"x{number}" for number in range(WIDTH))


def network() -> Any:
    """64 → 512 → 512 → 1."""
    from torch import nn

    layers = [nn.Linear(WIDTH, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1), nn.Flatten(0)]
    return nn.Sequential(*layers)


def rate_of_steps(accelerator: Any, batches: Any) -> float:
    """Rows per second of this process, after a few warm-up steps."""
    step, begun, rows = _step_of(accelerator), 0.0, 0
    for number, (x, y) in enumerate(batches):
        if number == WARM_UP:
            begun = time.perf_counter()
        step(x, y)
        rows += len(y) if number >= WARM_UP else 0
        if number == WARM_UP + STEPS:
            break
    return rows / (time.perf_counter() - begun)


def epoch(accelerator: Any, batches: Any) -> dict[str, float]:
    """Rows per second of a whole epoch, including the loader's start; the number of rows, and a checksum of them.

    ``checksum`` weights each column, and does not depend on the order of the rows.
    """
    import torch

    step = _step_of(accelerator)
    for _ in range(WARM_UP):
        step(torch.randn(BATCH, WIDTH), torch.randn(BATCH))
    rows, seconds, sums = 0, 0.0, torch.zeros(WIDTH + 1, dtype=torch.float64)
    begun = time.perf_counter()
    for x, y in batches:
        step(x, y)
        rows, sums[:WIDTH], sums[WIDTH] = (
            rows + len(y),
            sums[:WIDTH] + x.double().sum(0),
            sums[WIDTH] + y.double().sum(),
        )
        seconds = time.perf_counter() - begun
    checksum = float(sums @ torch.arange(1, WIDTH + 2, dtype=torch.float64))
    return {"rows_per_second": rows / seconds, "rows": float(rows), "checksum": checksum}


def _step_of(accelerator: Any) -> Callable[[Any, Any], None]:
    import torch

    torch.manual_seed(0)
    model = network()
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    loss_of = torch.nn.MSELoss()

    def step(x: Any, y: Any) -> None:
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()

    return step
