"""An epoch fed by Hugging Face's ``datasets``, in its own environment: ``train_datasets.py CACHE THREADS FILE...``.

The fastest of the ways that were tried, with ``datasets`` 5.2. Once, the 64 columns become one column of vectors in its
Arrow cache; an epoch then goes through shards in an order of its own, and shuffles half a million rows at a time, as
many as the platform does. The last line of the output is one JSON object.
"""

import json
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator
from train_network import BATCH, FEATURES, WIDTH, epoch

BUFFER, SHARDS, AT_ONCE = 500_000, 64, 32_768


def prepared(files: list[str], cache: str) -> Any:
    """The rows of the part ``train`` as the columns ``x`` and ``y``; made once, then found in the cache."""
    rows = datasets.load_dataset(
        "parquet", data_files=files, split="train", columns=[*FEATURES, "y"], filters=[("split", "==", "train")],
        cache_dir=cache,
    )  # fmt: skip
    kinds = datasets.Features(x=datasets.List(datasets.Value("float32"), length=WIDTH), y=datasets.Value("float32"))
    return rows.with_format("arrow").map(
        joined, batched=True, batch_size=AT_ONCE, writer_batch_size=AT_ONCE, remove_columns=list(FEATURES),
        features=kinds,
    )  # fmt: skip


def joined(rows: pa.Table) -> pa.Table:
    x = np.column_stack([rows[name].to_numpy() for name in FEATURES])
    return pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), WIDTH), "y": rows["y"]})


def batches(rows: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    shuffled = rows.to_iterable_dataset(num_shards=SHARDS).shuffle(seed=0, buffer_size=BUFFER)
    for batch in shuffled.with_format("arrow").iter(BATCH):
        x = batch["x"].combine_chunks().flatten().to_numpy().reshape(-1, WIDTH)
        yield torch.from_numpy(x), torch.from_numpy(batch["y"].to_numpy())


def main() -> None:
    cache, threads, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing writes to a batch
    datasets.disable_progress_bars()
    torch.set_num_threads(threads)
    begun = time.perf_counter()
    rows = prepared(files, cache)
    told = {"prepare_s": time.perf_counter() - begun}
    print(json.dumps(told | epoch(Accelerator(cpu=True), batches(rows))))


if __name__ == "__main__":
    main()
