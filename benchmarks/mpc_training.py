"""Accuracy against the private latency that is really executed, at equal training budgets.

Vision transformers: all softmax, all ReLU-softmax, all scaled; MPCViT's published search (the
largest alphas, wherever they are); and two searches on the real cost at the time of each of its
networks: the alphas packed by an exact knapsack, and a single-path supernet under a limit.
Tokens that keep their GELU (MPCViT+): a number of them against what takes as many seconds.
ResNets: AutoReP against SNL at equal numbers of ReLUs, and the network that keeps all of them.

    python benchmarks/mpc_training.py --data cifar10.npz --work DIR [--seeds 3]    # hours on a CPU
    python benchmarks/mpc_training.py --data cifar10.npz --work DIR --execute      # needs SPU

What a network was trained for is kept in DIR, so the benchmark goes on where it was stopped, and
several calls at once, best each with another ``--first-seed``, share the work; the second command
executes every network over a shaped link and writes the result.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from common import print_table, processor, write_result

from nas.chosen import read_chosen
from nas.config import Config, parse_config
from nas.data import DataSplits, load_data
from nas.devices import prepare_device
from nas.errors import RunError
from nas.evaluation import SubnetEvaluator
from nas.files import atomic_write
from nas.runs import RunFolder
from nas.search import Evolution, Objective, Problem, UpperLimit, search
from nas.training import load_supernet, train
from predictors import CostTable, compile_cost
from predictors.latency.graph import network as placed_blocks
from predictors.mpc import (
    NETWORKS,
    ActivationCount,
    Laws,
    ReluCount,
    get_protocol,
    private_costs,
    program_of,
)
from predictors.mpc.execute import execute, random_arrays
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet

PROTOCOL = "semi2k"
VIT = {"dim": 64, "heads": [4], "depths": [4], "activations": ["gelu"]}
RESNET = {"widths": [16, 32, 64], "depths": [1, 1, 1], "granularities": ["pixel"]}
SHARES = [0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0]
DISTILLED = {"teacher_weight": 1.0, "inner_weight": 1.0, "inner_slots": [f"mlp{VIT['depths'][0]}"]}
"""As MPCViT is retrained: logits, and the tokens that the last layer yields."""
TOKENS = {
    **VIT,
    "attention": ["scale_attention"],
    "token_shares": [0.0, 0.0625, 0.125, 0.25, 0.5, 1.0],
}
KEEP = (0.25, 0.5)
KEEP_TOKENS = (0.125, 0.25)
BUDGETS = (1500, 5000)


Row: TypeAlias = dict[str, Any]


class _Busy(Exception):
    """Another call of the benchmark trains this."""


def document(options: argparse.Namespace, space: dict[str, Any], **train: Any) -> Config:
    """Return the configuration of one training."""
    vit = space["name"] == "mpc_vit"
    recipe = {
        "epochs": options.epochs,
        "batch_size": 128,
        "optimizer": "adamw" if vit else "sgd",
        "learning_rate": 1e-3 if vit else 0.1,
        "weight_decay": 0.05 if vit else 5e-4,
        "warmup_epochs": 1,
        "label_smoothing": 0.1,
        "threads": 1,
        "device": options.device,
    }
    return parse_config(
        {
            "seed": options.seed,
            "space": space,
            "data": {
                "format": "npz",
                "path": str(options.data),
                "train_limit": options.images,
                "validation": 2000,
            },
            "augment": {"crop_padding": 4, "flip": True},
            "train": {**recipe, **train},
            "evaluate": {"calibration_images": min(1000, options.images)},
        },
        source="of this benchmark",
    )


def trained(
    options: argparse.Namespace,
    splits: DataSplits,
    name: str,
    config: Config,
    *,
    space: SearchSpace | None = None,
    teacher: Supernet | None = None,
    costs: dict[str, CostTable] | None = None,
) -> tuple[RunFolder, SearchSpace]:
    """Train what a name stands for, unless that was done.

    Raises:
        _Busy: Another call of the benchmark is at it.
    """
    path = options.work / f"seed{options.seed}" / name
    space = space or get_space(config.space.name, **config.space.options)
    with ExitStack() as held:
        try:
            known = (path / "run.json").exists()
            run = RunFolder.open(path) if known else RunFolder.create(path, config)
            if run.stages().get("train") == "done":
                return run, space
            held.enter_context(run.lock())
        except RunError as error:
            if not path.exists():
                raise
            raise _Busy from error
        train(
            Supernet(space, seed=options.seed),
            splits,
            config.train,
            seed=options.seed,
            augment=config.augment,
            run=run,
            teacher=teacher,
            costs=costs,
        )
        run.mark("train", "done")
    print(f"seed {options.seed}: trained {name}", flush=True)
    return run, space


def score(
    options: argparse.Namespace,
    splits: DataSplits,
    name: str,
    run: RunFolder,
    space: SearchSpace,
    architecture: Architecture,
    of: SearchSpace,
) -> dict[str, Any]:
    """Return test accuracy and predicted cost of one trained network, kept on disk."""
    path = run.path / "score.json"
    if not path.exists():
        config = run.config
        evaluator = SubnetEvaluator(
            load_supernet(run, space), splits, config.evaluate, device=options.device
        )
        subnet = evaluator.subnet(architecture)
        accuracy = evaluator.score(subnet, architecture, split="test").value
        row = {"network": name, "seed": options.seed, "accuracy": accuracy}
        row["space"] = {"name": of.name, "options": dict(of.options)}
        row["architecture"] = dict(architecture)
        row["trained_on"] = processor(prepare_device(options.device))
        atomic_write(path, json.dumps(row))
    return json.loads(path.read_text())


def private(space: SearchSpace) -> CostTable:
    """Return the predicted seconds of the network, by laws."""
    models = private_costs(Laws(get_protocol(PROTOCOL)), NETWORKS["wan"])
    return compile_cost(space, next(m for m in models if m.metric == "mpc_online_s"))


def shared(tasks: dict[str, Callable[[], object]]) -> None:
    """Do the tasks that no other call of the benchmark is at; return when all are done."""
    while tasks:
        left = {}
        for name, task in tasks.items():
            try:
                task()
            except _Busy:
                left[name] = task
        if tasks := left:
            time.sleep(2)


def transformers(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all transformers of one seed."""
    half = max(2, options.epochs // 2)
    kinds = {
        "name": "mpc_vit",
        "options": {**VIT, "attention": ["relu_softmax", "scale_attention"]},
    }
    plain = {"name": "mpc_vit", "options": {**VIT, "attention": ["softmax"]}}
    space = get_space("mpc_vit", **kinds["options"])
    seconds = private(space)
    section = {"gate_learning_rate": 1e-2, "keep": list(KEEP)}

    def teacher() -> tuple[RunFolder, SearchSpace]:
        config = document(options, plain, strategy="single_path")
        run, of = trained(options, splits, "softmax", config)
        score(options, splits, "softmax", run, of, of.decode([0] * len(of.choices)), of)
        return run, of

    def published() -> list[Architecture]:
        gates = {**section, "cost_weight": 1e-3}
        config = document(options, kinds, strategy="mpcvit", epochs=half, mpcvit=gates)
        run, _ = trained(options, splits, "search_mpcvit", config)
        return read_chosen(run.path, space)

    def packed(limits: list[float]) -> list[Architecture]:
        gates = {
            **section,
            "cost": "mpc_online_s",
            "cost_weight": 0.3,
            "keep": [],
            "within": [limit * (1 + 1e-9) for limit in limits],
        }
        config = document(options, kinds, strategy="mpcvit", epochs=half, mpcvit=gates)
        costs = {"mpc_online_s": seconds}
        run, _ = trained(options, splits, "search_packed", config, costs=costs)
        return read_chosen(run.path, space)

    def paths() -> RunFolder:
        config = document(options, kinds, strategy="single_path", epochs=half)
        return trained(options, splits, "search_supernet", config)[0]

    def found(share: int, limit: float) -> Architecture:
        run = paths()
        evaluator = SubnetEvaluator(
            load_supernet(run, space), splits, run.config.evaluate, device=options.device
        )
        path = run.path / f"found{share}.json"
        return searched(space, seconds, limit, evaluator, path, options.seed)

    def retrained(name: str, architecture: Architecture) -> None:
        config = document(options, kinds, strategy="finetune", **DISTILLED)
        run, of = teacher()
        network = load_supernet(run, of).train()
        alone = single(space, architecture)
        run, _ = trained(options, splits, name, config, space=alone, teacher=network)
        score(options, splits, name, run, alone, architecture, space)

    shared({"teacher": teacher, "published": published, "paths": paths})
    tops = published()
    limits = [seconds.of(architecture) for architecture in tops]
    tasks: dict[str, Callable[[], object]] = {}
    first = space.decode([0] * len(space.choices))
    for kind in kinds["options"]["attention"]:
        heads = {c.name: kind for c in space.choices if c.name.startswith("attention")}
        whole = Architecture({**first, **heads})
        tasks[kind] = partial(retrained, f"all_{kind}", whole)
    for i, share in enumerate(KEEP):
        tasks[f"mpcvit {share}"] = partial(retrained, f"mpcvit_{share:.0%}", tops[i])
        tasks[f"packed {share}"] = lambda i=i, share=share: retrained(
            f"packed_{share:.0%}", packed(limits)[i]
        )
        tasks[f"supernet {share}"] = lambda i=i, share=share: retrained(
            f"supernet_{share:.0%}", found(i, limits[i])
        )
    shared(tasks)


def phases(options: argparse.Namespace, rate: float) -> dict[str, float]:
    """Return how a training is divided that learns which activations stay.

    Args:
        options: Of the benchmark.
        rate: Learning rate of the weights after the first phase. A tenth of the first rate, as
            in the publications, leaves so short a training where the first phase ended.
    """
    half, quarter = options.epochs / 2, options.epochs / 4
    return {
        "full_epochs": half,
        "mask_epochs": quarter,
        "weights_learning_rate": rate,
        "gate_learning_rate": 5e-3,
    }


def tokens(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all transformers of one seed in which some tokens keep their GELU."""
    kinds = {"name": "mpc_vit", "options": TOKENS}
    space = get_space("mpc_vit", **TOKENS)
    seconds = private(space)
    most = compile_cost(space, ActivationCount()).maximum().value

    def masked(name: str, **limit: Any) -> Architecture:
        relus = {**phases(options, 5e-4), "weight": 5.0, **limit}
        config = document(options, kinds, strategy="snl", relus=relus)
        run, _ = trained(options, splits, name, config, costs={"mpc_online_s": seconds})
        (found,) = read_chosen(run.path, space)
        score(options, splits, name, run, space, found, space)
        return found

    for share in KEEP_TOKENS:
        found = masked(f"tokens_{share:.1%}", budget=round(share * most))
        within = seconds.of(found) * (1 + 1e-9)
        masked(f"tokens_packed_{share:.1%}", cost="mpc_online_s", within=within)


def searched(
    space: SearchSpace,
    seconds: CostTable,
    limit: float,
    evaluator: SubnetEvaluator,
    path: Path,
    seed: int,
) -> Architecture:
    """Return what a search of the supernet finds within a limit."""
    if not path.exists():
        bound = UpperLimit("mpc_online_s", limit * (1 + 1e-9))
        problem = Problem(
            space,
            objectives=(Objective(),),
            costs={"mpc_online_s": seconds},
            limits=(bound,),
        )
        result = search(problem, Evolution(), evaluator, None, evaluations=60, batch=20, seed=seed)
        best = result.history.population[result.history.top(1)[0]]
        atomic_write(path, json.dumps(dict(space.decode(best))))
    return Architecture(json.loads(path.read_text()))


def resnets(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all ResNets of one seed."""
    kinds = {"name": "mpc_resnet", "options": {**RESNET, "shares": SHARES}}

    def masked(strategy: str, weight: float, budget: int) -> None:
        relus = {**phases(options, 0.02), "weight": weight, "budget": budget}
        name = f"{strategy}_{budget}"
        section = {"relus": relus, "gradient_clip": 1.0}  # squares of squares jump
        config = document(options, kinds, strategy=strategy, **section)
        run, space = trained(options, splits, name, config)
        (found,) = read_chosen(run.path, space)
        score(options, splits, name, run, space, found, space)

    def rectified() -> None:
        space = get_space("mpc_resnet", **kinds["options"])
        fixed = {"kept": 1.0, "rest": "identity", "granularity": "pixel"}
        architecture = Architecture(
            {choice.name: fixed[choice.name.partition("_")[0]] for choice in space.choices}
        )
        config = document(options, kinds, strategy="single_path", gradient_clip=1.0)
        alone = single(space, architecture)
        run, _ = trained(options, splits, "all_relu", config, space=alone)
        score(options, splits, "all_relu", run, alone, architecture, space)

    shared(
        {
            "all": rectified,
            **{
                f"{strategy} {budget}": partial(masked, strategy, weight, budget)
                for budget in BUDGETS
                for strategy, weight in (("autorep", 50.0), ("snl", 5.0))
            },
        }
    )


def executed(options: argparse.Namespace, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a network's private inference really takes, kept on disk."""
    space = get_space(row["space"]["name"], **row["space"]["options"])
    architecture = Architecture(row["architecture"])
    path = options.work / "executed" / f"{space.id_of(architecture)}.json"
    if not path.exists():
        program = program_of(placed_blocks(space, architecture))
        wan = NETWORKS["wan"]
        done = execute(program, random_arrays(program), get_protocol(PROTOCOL), network=wan)
        path.parent.mkdir(exist_ok=True)
        figures = {
            "executed_s": done.wall_s,
            "online_bytes": done.cost.online_bytes,
            "sends": done.cost.sends,
            "link": done.link,
            "load": done.load,
            "engine": done.versions,
            "network_s": private(space).of(architecture),
        }
        if space.name == "mpc_resnet":
            figures["relus"] = compile_cost(space, ReluCount()).of(architecture)
        else:
            figures["gelus"] = compile_cost(space, ActivationCount()).of(architecture)
        atomic_write(path, json.dumps(figures))
    return json.loads(path.read_text())


def summarise(options: argparse.Namespace) -> None:
    """Execute every trained network, print the table and keep it."""
    rows = [
        json.loads(path.read_text()) for path in sorted(options.work.glob("seed*/*/score.json"))
    ]
    groups = defaultdict(list)
    for row in rows:
        groups[row["network"]].append({**row, **executed(options, row)})
    table = []
    for name, found in groups.items():
        accuracies = [row["accuracy"] for row in found]
        table.append(
            {
                "network": name,
                "seeds": len(found),
                "accuracy": statistics.mean(accuracies),
                "standard_error": _standard_error(accuracies),
                "executed_s": statistics.mean(row["executed_s"] for row in found),
                "network_s": statistics.mean(row["network_s"] for row in found),
                **{key: _mean(row.get(key) for row in found) for key in ("relus", "gelus")},
            }
        )
    print_table(table)
    pairs = [
        _difference(groups[f"{ours}_{share:.0%}"], groups[f"mpcvit_{share:.0%}"])
        for share in KEEP
        for ours in ("packed", "supernet")
    ]
    print_table(pairs)
    settings = {name: getattr(options, name) for name in ("epochs", "images")}
    each = [row for found in groups.values() for row in found]
    write_result(
        "mpc_training", {"settings": settings, "table": table, "pairs": pairs, "networks": each}
    )


def _standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean; None of a single value."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def _mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values; None where there is none."""
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def _difference(ours: Sequence[Row], theirs: Sequence[Row]) -> Row:
    """Return by how much networks of the same seeds differ."""
    by_seed = {row["seed"]: row for row in theirs}
    both = [(row, by_seed[row["seed"]]) for row in ours if row["seed"] in by_seed]
    points = [100 * (a["accuracy"] - b["accuracy"]) for a, b in both]
    return {
        "network": ours[0]["network"] if ours else None,
        "against": theirs[0]["network"] if theirs else None,
        "points": _mean(points),
        "standard_error": _standard_error(points),
        "executed": _mean(a["executed_s"] / b["executed_s"] - 1 for a, b in both),
    }


PARTS = {"transformers": transformers, "tokens": tokens, "resnets": resnets}


def main() -> None:
    """Train, or execute and summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 as an .npz")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--device", default="cpu", help="where it is trained (cpu)")
    parser.add_argument("--first-seed", type=int, default=0, help="of this call")
    parser.add_argument("--execute", action="store_true", help="execute and summarise")
    parser.add_argument("--only", choices=PARTS, help="train one part")
    options = parser.parse_args()
    options.data = options.data.resolve()
    if options.execute:
        summarise(options)
        return
    for position in range(options.seeds):
        options.seed = (options.first_seed + position) % options.seeds
        config = document(options, {"name": "mpc_vit", "options": VIT}, strategy="single_path")
        splits = load_data(config.data, seed=0)
        for name, part in PARTS.items():
            if options.only in (None, name):
                part(options, splits)


if __name__ == "__main__":
    main()
