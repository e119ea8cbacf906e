"""Run folders at every stage, with a real space and real costs; only the scores are made up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.archive import Archive, Metric, Proposal, Record
from nas.config import parse_config
from nas.export import Manifest, write_measurements
from nas.runs import RunFolder
from predictors import CostTable, Macs, Params, PeakMemory, Provenance, compile_cost
from predictors.latency import (
    Calibration,
    Conditions,
    Device,
    Identity,
    LatencyTable,
    MeasuredNetwork,
    Row,
    Timing,
    load_table,
    save_table,
)
from predictors.latency.plan import distinct_work
from predictors.latency.runner.identity import SpaceIdentity
from predictors.latency.validation import validate
from search_spaces import Architecture, SearchSpace, get_space

CONFIG: dict[str, Any] = {
    "seed": 7,
    "space": {
        "name": "mobile_small",
        "options": {"classes": 10, "channels": 1, "resolutions": [16, 20, 24]},
    },
    "data": {"format": "digits", "validation": 300},
    "train": {"epochs": 20, "batch_size": 64, "learning_rate": 0.1, "warmup_epochs": 2.0},
    "search": {
        "population": 25,
        "evaluations": 300,
        "limits": {"macs": "35%", "peak_memory_bytes": "100 KiB"},
    },
    "export": {"top": 3, "formats": ["safetensors", "onnx"]},
}
VALIDATION = Provenance(
    "measured", "validation split, 300 images", "cpu", "torch 2.13.0", "2026-11-23"
)
TEST = Provenance("measured", "test split, 360 images", "cpu", "torch 2.13.0", "2026-11-23")
WHOLE = Provenance(
    "measured",
    "whole network, 5 interleaved rounds",
    "Example CPU, 1 thread",
    "onnxruntime 1.31.0",
    "2026-11-23",
)


def latency_table(space: SearchSpace) -> LatencyTable:
    """A table of made-up timings: a block costs its MACs and a little; networks agree roughly."""
    rng = np.random.default_rng(2)

    def timing(ms: float) -> Timing:
        halves = (ms * float(rng.normal(1, 0.01)), ms * float(rng.normal(1, 0.01)))
        return Timing(
            latency_ms=ms, median_ms=ms, min_ms=0.97 * ms, spread=0.02, runs=200, halves_ms=halves
        )

    identity = Identity(
        SpaceIdentity.of(space),
        Conditions("onnxruntime", "1.31.0", 1, 1, "float32"),
        Device("Example CPU 3000", 2, "x86_64", "Linux", ("avx2",)),
    )
    price = Macs()
    blocks = distinct_work(space).values()
    bare = LatencyTable(
        identity,
        "2026-11-23T10:00:00+00:00",
        "2026-11-23T10:04:00+00:00",
        30,
        0.004,
        tuple(Row(block, timing(0.01 + price(block) / 6e6)) for block in blocks),
        calibration=Calibration(0.93, 0.93, 0.001, 0.02, 0.005, 10, (-0.05, 0.0, 0.05)),
    )
    cost = compile_cost(space, bare.cost_model())
    networks = []
    for i, row in enumerate(space.unique(space.sample(18, rng))):
        architecture = space.decode(row)
        estimated = cost.of(architecture)
        role: Any = "calibration" if i < 10 else "validation"
        measured = timing(estimated * float(rng.normal(1, 0.05)))
        networks.append(MeasuredNetwork(role, architecture, estimated, measured))
    held_out = [net for net in networks if net.role == "validation"]
    validation = validate(
        np.array([net.estimated_ms for net in held_out]),
        np.array([net.timing.latency_ms for net in held_out]),
        np.array([net.timing.halves_ms for net in held_out]),
    )
    return replace(bare, networks=tuple(networks), validation=validation)


def training_log(run: RunFolder, steps: int = 440) -> None:
    """A loss that falls and a learning rate that warms up and follows a cosine."""
    rng = np.random.default_rng(1)
    for step in range(0, steps, 2):
        share = step / steps
        warm = min(1.0, share / 0.1)
        run.append_metrics(
            {
                "kind": "train",
                "step": step,
                "epoch": step * 20 // steps,
                "loss": 0.55 + 1.9 * math.exp(-6 * share) + float(rng.normal(0, 0.08)),
                "learning_rate": 0.1 * warm * 0.5 * (1 + math.cos(math.pi * share)),
                "images_per_s": 900 + float(rng.normal(0, 20)),
            }
        )


def accuracy_of(costs: dict[str, CostTable], rows: Any, rng: np.random.Generator) -> Any:
    """A score that rises with MACs and saturates, with noise."""
    share = costs["macs"](rows) / costs["macs"].maximum().value
    return np.clip(0.985 - 0.25 * np.exp(-9 * share) + rng.normal(0, 0.012, len(rows)), 0, 1)


def evaluated(run: RunFolder, space: SearchSpace, *, n: int = 300) -> list[str]:
    """Fill the archive: random subnets, later ones closer to the limits; return the best ids."""
    rng = np.random.default_rng(5)
    costs = {m.metric: compile_cost(space, m) for m in (Macs(), Params(), PeakMemory())}
    for path in run.latency_tables():
        costs["latency_ms"] = compile_cost(space, load_table(path).cost_model())
    rows = space.unique(space.sample(n + 40, rng))[:n]
    scores = accuracy_of(costs, rows, rng) - np.linspace(0.04, 0.0, len(rows))
    values = {name: cost(rows) for name, cost in costs.items()}
    limit = 0.35 * costs["macs"].of(costs["macs"].maximum().architecture)
    records = [
        Record(
            id,
            space.decode(row),
            {
                "accuracy": Metric(float(scores[i]), VALIDATION),
                **{n: Metric(float(values[n][i]), cost.provenance) for n, cost in costs.items()},
            },
            Proposal(i // 25, "random" if i < 25 else "mutation"),
        )
        for i, (id, row) in enumerate(zip(space.ids(rows), rows, strict=True))
    ]
    failed = space.unique(space.sample(400, rng))[-1]
    records.append(
        Record(space.ids(failed[None])[0], space.decode(failed), failure="the loss is <NaN>")
    )
    with Archive.open(
        run.archive_path,
        space_name=space.name,
        space_options=space.options,
        fingerprint=space.fingerprint,
    ) as archive:
        archive.record_many(records)
    order = np.argsort(-scores)
    within = (values["macs"] <= limit) & (values["peak_memory_bytes"] <= 100 * 1024)
    return [records[i].id for i in order if within[i]][:3]


def export(run: RunFolder, space: SearchSpace, ids: list[str]) -> None:
    """Make export folders with their numbers; the model files are empty."""
    with Archive.read(run.archive_path) as archive:
        rows = {row.id: row for row in archive.rows()}
    for position, id in enumerate(ids):
        folder = run.exports / id
        folder.mkdir()
        architecture = rows[id].architecture
        text = json.dumps(manifest(space, id, architecture).to_json())
        (folder / "architecture.json").write_text(text)
        for name in ("model.safetensors", "model.onnx"):
            (folder / name).write_bytes(b"")
        write_measurements(
            folder,
            {
                **rows[id].metrics,
                "test_accuracy": Metric(rows[id].metrics["accuracy"].value - 0.006, TEST),
                "exported_accuracy": Metric(rows[id].metrics["accuracy"].value - 0.006, TEST),
                "latency_ms_measured": Metric(0.36 + 0.04 * position, WHOLE),
            },
        )


def manifest(space: SearchSpace, id: str, architecture: Architecture) -> Manifest:
    return Manifest(
        space_name=space.name,
        space_options=space.options,
        id=id,
        architecture=architecture,
        input_shape=space.input_shape_of(architecture),  # type: ignore[arg-type]
        mean=(0.3,),
        std=(0.37,),
        class_names=tuple("0123456789"),
        dataset="digits",
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Makes a run folder: new, trained, searched or exported; with a latency table or not."""

    def make(stage: str = "exported", *, table: bool = True, **changes: Any) -> RunFolder:
        config = parse_config({**CONFIG, **changes}, source="the test")
        (tmp_path / "runs").mkdir(exist_ok=True)
        run = RunFolder.create(
            tmp_path / "runs" / "digits", config, command=["nas", "run", "x.toml"]
        )
        space = get_space(config.space.name, **config.space.options)
        if table:
            save_table(latency_table(space), run.path / "latency.lut.json")
        stages = ("new", "trained", "searched", "exported")
        if stages.index(stage) >= 1:
            training_log(run)
        if stages.index(stage) >= 2:
            best = evaluated(run, space)
            if stages.index(stage) >= 3:
                export(run, space, best)
        return run

    return make
