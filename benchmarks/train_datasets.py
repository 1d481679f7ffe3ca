"""An epoch fed by Hugging Face's ``datasets``, in an environment of its own.

Run as ``train_datasets.py CACHE THREADS FILE...``; the last line of the output is one JSON object. This was the fastest
of several ways to use ``datasets`` 5.2. The 64 columns are joined into one column of vectors once, in its Arrow cache.
An epoch reads the shards in random order and shuffles half a million rows at a time, as many as the platform does.
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


def prepare(files: list[str], cache: str) -> Any:
    """The rows of the part ``train`` as columns ``x`` and ``y``; computed once, then read from the cache."""
    rows = datasets.load_dataset(
        "parquet", data_files=files, split="train", columns=[*FEATURES, "y"], filters=[("split", "==", "train")],
        cache_dir=cache,
    )  # fmt: skip
    kinds = datasets.Features(x=datasets.List(datasets.Value("float32"), length=WIDTH), y=datasets.Value("float32"))
    return rows.with_format("arrow").map(
        join_columns, batched=True, batch_size=AT_ONCE, writer_batch_size=AT_ONCE, remove_columns=list(FEATURES),
        features=kinds,
    )  # fmt: skip


def join_columns(rows: pa.Table) -> pa.Table:
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
    rows = prepare(files, cache)
    preparation = {"prepare_s": time.perf_counter() - begun}
    print(json.dumps(preparation | epoch(Accelerator(cpu=True), batches(rows))))


if __name__ == "__main__":
    main()
