"""Images a second of the processes that decode while a network trains, and what a step needs.

    python benchmarks/loader.py

The images are crops of the two photographs that scikit-learn contains, written as JPEG files of
ImageNet's usual size, in a folder and in WebDataset shards; they are decoded to 224 px. The need
is that of a step of the smallest and of the largest subnet of once-for-all's space on one thread
of this machine. The unit of every ratio is decoding in one process without any loader around it.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import print_table, write_result
from PIL import Image
from sklearn.datasets import load_sample_images

from nas.config import parse_config
from nas.data import DataConfig, DataSplits, ImageSet, StreamedSet, load_data
from nas.data.decode import decode_image
from nas.training import STRATEGIES
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from predictors import Macs, compile_cost
from search_spaces import get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet

COUNT, WIDTH, HEIGHT, QUALITY = 640, 500, 375, 90
PER_SHARD = 160
SIZE, BATCH, PASSES = 224, 32, 4
WORKERS = (1, 2)


def write_images(root: Path) -> float:
    """Write the same JPEG files into a folder and into shards; return their mean size in kB."""
    photographs = load_sample_images().images
    rng = np.random.default_rng(0)
    encoded = []
    for i in range(COUNT):
        pixels = photographs[i % 2]
        y = int(rng.integers(pixels.shape[0] - HEIGHT + 1))
        x = int(rng.integers(pixels.shape[1] - WIDTH + 1))
        crop = pixels[y : y + HEIGHT, x : x + WIDTH]
        file = io.BytesIO()
        Image.fromarray(crop[:, :: rng.choice((-1, 1))]).save(file, "JPEG", quality=QUALITY)
        encoded.append(file.getvalue())
        path = root / "folder" / "ab"[i % 2] / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded[i])
    (root / "shards").mkdir()
    for shard in range(COUNT // PER_SHARD):
        with tarfile.open(root / "shards" / f"all-{shard}.tar", "w") as archive:
            for i in range(shard * PER_SHARD, (shard + 1) * PER_SHARD):
                for suffix, content in (("jpg", encoded[i]), ("cls", str(i % 2).encode())):
                    member = tarfile.TarInfo(f"{i:04}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return float(np.mean([len(data) for data in encoded])) / 1000


def streamed(root: Path, kind: str, workers: int) -> StreamedSet:
    """Return the training images of one of the two places."""
    config = DataConfig(
        format="folder" if kind == "folder" else "webdataset",
        path=str(root / kind),
        image_size=SIZE,
        validation=32,
        test_fraction=0.05,
        streamed=True,
        workers=workers,
        cache=False,
    )
    train = load_data(config, seed=0).train
    assert isinstance(train, StreamedSet)
    return train


def fastest(work: Callable[[], object], images: int) -> float:
    """Return images a second of the fastest of some passes: other programs only slow one down."""
    rates = []
    for _ in range(PASSES):
        start = time.perf_counter()
        work()
        rates.append(images / (time.perf_counter() - start))
    return max(rates)


def skip(batches: Iterator[Any], count: int) -> None:
    """Take some batches."""
    for _ in islice(batches, count):
        pass


def loader_rows(root: Path) -> list[dict[str, Any]]:
    """Measure decoding alone and through the loader."""
    alone = streamed(root, "folder", 1)
    reference = fastest(
        lambda: [decode_image(alone.source(i), size=SIZE) for i in range(200)], 200
    )
    rows = [{"what": "decoding alone", "processes": 1, "images/s": reference, "ratio": 1.0}]
    for kind in ("folder", "shards"):
        for workers in WORKERS:
            images = streamed(root, kind, workers)
            orders = torch.randperm(len(images)).split(BATCH)[:-1]
            running = images.batches(chain.from_iterable(repeat(orders, PASSES + 1)))
            skip(running, len(orders) // 2)  # until all processes have begun
            rate = fastest(partial(skip, running, len(orders)), BATCH * len(orders))
            rows.append(
                {
                    "what": f"loader, {kind}",
                    "processes": workers,
                    "images/s": rate,
                    "ratio": rate / reference,
                }
            )
    return rows


def step_rows(reference: float) -> list[dict[str, Any]]:
    """Measure how many images a second a training step takes."""
    space = get_space("ofa_mobilenet_v3", classes=2, resolutions=[SIZE])
    macs = compile_cost(space, Macs())
    rows = []
    for name, extreme in (("smallest", macs.minimum()), ("largest", macs.maximum())):
        step = step_of(single(space, extreme.architecture))
        step()
        rate = fastest(step, BATCH)
        rows.append(
            {
                "what": f"needed by a step, {name} subnet",
                "processes": 1,
                "images/s": rate,
                "ratio": rate / reference,
            }
        )
    return rows


def step_of(space: Any) -> Callable[[], object]:
    """Return a function that does one training step on noise."""
    document = {
        "space": {"name": space.name},
        "data": {"format": "digits", "validation": 1},
        "train": {"epochs": 1, "batch_size": BATCH, "learning_rate": 0.01, "device": "cpu"},
    }
    config = parse_config(document, source="of this benchmark")
    images = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    noise = ImageSet(images, torch.arange(BATCH) % 2, ("a", "b"))
    splits = DataSplits(noise, noise, noise, (0.5,) * 3, (0.25,) * 3, "noise")
    strategy = STRATEGIES["single_path"](space, config.train, 10_000)
    recipe = Recipe(config.train, config.augment, 0, splits, strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space, seed=0).train(), config.train)
    return lambda: training_step(recipe, state, noise.images, noise.labels)


def main() -> None:
    """Measure, print and keep the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        mean_kb = write_images(Path(folder))
        rows = loader_rows(Path(folder))
    rows += step_rows(rows[0]["images/s"])
    print(f"JPEG of {WIDTH} x {HEIGHT} px, {mean_kb:.0f} kB on average, decoded to {SIZE} px")
    print_table(rows)
    about = {"image": [WIDTH, HEIGHT], "mean_kb": mean_kb, "size": SIZE, "batch": BATCH}
    write_result("loader", {**about, "rows": rows})


if __name__ == "__main__":
    main()
