"""Accuracy against the private latency that is really executed, at equal training budgets.

Vision transformers: all softmax, all ReLU-softmax, all scaled; MPCViT's published search (the
largest alphas, wherever they are); and two searches on the real cost at the time of each of its
networks: the alphas packed by an exact knapsack, and a single-path supernet under a limit.
Tokens that keep their GELU (MPCViT+): a number of them against what takes as many seconds.
ResNets: AutoReP against SNL at equal numbers of ReLUs.

    python benchmarks/mpc_training.py --data cifar10.npz --work DIR [--seeds 3]    # hours on a CPU
    python benchmarks/mpc_training.py --data cifar10.npz --work DIR --execute      # needs SPU

What a network was trained for is kept in DIR, so the benchmark goes on where it was stopped; the
second command executes every network over a shaped link and writes the result.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import print_table, write_result

from nas.chosen import read_chosen
from nas.config import Config, parse_config
from nas.data import DataSplits, load_data
from nas.evaluation import SubnetEvaluator
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


def document(options: argparse.Namespace, space: dict[str, Any], **train: Any) -> Config:
    """Return the configuration of one training."""
    vit = space["name"] == "mpc_vit"
    recipe = {
        "epochs": options.epochs,
        "batch_size": 64,
        "optimizer": "adamw" if vit else "sgd",
        "learning_rate": 1e-3 if vit else 0.1,
        "weight_decay": 0.05 if vit else 5e-4,
        "warmup_epochs": 1,
        "label_smoothing": 0.1,
        "threads": 1,
        "device": "cpu",
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
    """Train what a name stands for, unless that was done."""
    path = options.work / f"seed{options.seed}" / name
    run = RunFolder.open(path) if (path / "run.json").exists() else RunFolder.create(path, config)
    space = space or get_space(config.space.name, **config.space.options)
    if run.stages().get("train") == "done":
        return run, space
    with run.lock():
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
            load_supernet(run, space), splits, config.evaluate, device="cpu"
        )
        subnet = evaluator.subnet(architecture)
        accuracy = evaluator.score(subnet, architecture, split="test").value
        row = {"network": name, "seed": options.seed, "accuracy": accuracy}
        row["space"] = {"name": of.name, "options": dict(of.options)}
        row["architecture"] = dict(architecture)
        path.write_text(json.dumps(row))
    return json.loads(path.read_text())


def private(space: SearchSpace) -> CostTable:
    """Return the predicted seconds of the network, by laws."""
    models = private_costs(Laws(get_protocol(PROTOCOL)), NETWORKS["wan"])
    return compile_cost(space, next(m for m in models if m.metric == "mpc_online_s"))


def transformers(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all transformers of one seed."""
    half = max(2, options.epochs // 2)
    kinds = {
        "name": "mpc_vit",
        "options": {**VIT, "attention": ["relu_softmax", "scale_attention"]},
    }
    plain = {"name": "mpc_vit", "options": {**VIT, "attention": ["softmax"]}}
    teacher_run, teacher_space = trained(
        options, splits, "softmax", document(options, plain, strategy="single_path")
    )
    only = teacher_space.decode([0] * len(teacher_space.choices))
    score(options, splits, "softmax", teacher_run, teacher_space, only, teacher_space)
    space = get_space("mpc_vit", **kinds["options"])
    seconds = private(space)

    def retrain(name: str, architecture: Architecture) -> None:
        config = document(options, kinds, strategy="finetune", **DISTILLED)
        teacher = load_supernet(teacher_run, teacher_space).train()
        alone = single(space, architecture)
        run, _ = trained(options, splits, name, config, space=alone, teacher=teacher)
        score(options, splits, name, run, alone, architecture, space)

    section = {"gate_learning_rate": 1e-2, "keep": list(KEEP)}
    published = document(
        options, kinds, strategy="mpcvit", epochs=half, mpcvit={**section, "cost_weight": 1e-3}
    )
    run, _ = trained(options, splits, "search_mpcvit", published)
    tops = read_chosen(run.path, space)
    limits = [seconds.of(architecture) for architecture in tops]
    packed = document(
        options,
        kinds,
        strategy="mpcvit",
        epochs=half,
        mpcvit={
            **section,
            "cost": "mpc_online_s",
            "cost_weight": 0.3,
            "keep": [],
            "within": [limit * (1 + 1e-9) for limit in limits],
        },
    )
    run, _ = trained(options, splits, "search_packed", packed, costs={"mpc_online_s": seconds})
    packs = read_chosen(run.path, space)
    paths = document(options, kinds, strategy="single_path", epochs=half)
    run, _ = trained(options, splits, "search_supernet", paths)
    evaluator = SubnetEvaluator(load_supernet(run, space), splits, paths.evaluate, device="cpu")
    founds = [
        searched(space, seconds, limit, evaluator, run.path / f"found{i}.json", options.seed)
        for i, limit in enumerate(limits)
    ]
    for i, share in enumerate(KEEP):
        retrain(f"mpcvit_{share:.0%}", tops[i])
        retrain(f"packed_{share:.0%}", packs[i])
        retrain(f"supernet_{share:.0%}", founds[i])
    first = space.decode([0] * len(space.choices))
    for kind in kinds["options"]["attention"]:
        heads = {c.name: kind for c in space.choices if c.name.startswith("attention")}
        retrain(f"all_{kind}", Architecture({**first, **heads}))


def tokens(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all transformers of one seed in which some tokens keep their GELU."""
    kinds = {"name": "mpc_vit", "options": TOKENS}
    space = get_space("mpc_vit", **TOKENS)
    seconds, third = private(space), options.epochs / 3
    most = compile_cost(space, ActivationCount()).maximum().value

    def masked(name: str, **limit: Any) -> Architecture:
        phases = {"full_epochs": third, "mask_epochs": third, "weight": 5.0}
        relus = {**phases, "gate_learning_rate": 5e-3, **limit}
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
        path.write_text(json.dumps(dict(space.decode(best))))
    return Architecture(json.loads(path.read_text()))


def resnets(options: argparse.Namespace, splits: DataSplits) -> None:
    """Train all ResNets of one seed."""
    kinds = {"name": "mpc_resnet", "options": {**RESNET, "shares": SHARES}}
    third = options.epochs / 3
    for budget in BUDGETS:
        for strategy, weight in (("autorep", 50.0), ("snl", 5.0)):
            relus = {
                "budget": budget,
                "full_epochs": third,
                "mask_epochs": third,
                "weight": weight,
                "gate_learning_rate": 5e-3,
            }
            name = f"{strategy}_{budget}"
            config = document(options, kinds, strategy=strategy, relus=relus)
            run, space = trained(options, splits, name, config)
            (found,) = read_chosen(run.path, space)
            score(options, splits, name, run, space, found, space)


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
        path.write_text(json.dumps(figures))
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
        spread = statistics.stdev(accuracies) if len(found) > 1 else math.nan
        table.append(
            {
                "network": name,
                "seeds": len(found),
                "accuracy": statistics.mean(accuracies),
                "standard_error": spread / math.sqrt(len(found)),
                "executed_s": statistics.mean(row["executed_s"] for row in found),
                "network_s": statistics.mean(row["network_s"] for row in found),
                "relus": statistics.mean(row.get("relus", math.nan) for row in found),
                "gelus": statistics.mean(row.get("gelus", math.nan) for row in found),
            }
        )
    print_table(table)
    settings = {name: getattr(options, name) for name in ("epochs", "images")}
    each = [row for found in groups.values() for row in found]
    write_result("mpc_training", {"settings": settings, "table": table, "networks": each})


PARTS = {"transformers": transformers, "tokens": tokens, "resnets": resnets}


def main() -> None:
    """Train, or execute and summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 as an .npz")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--execute", action="store_true", help="execute and summarise")
    parser.add_argument("--only", choices=PARTS, help="train one part")
    options = parser.parse_args()
    options.data = options.data.resolve()
    if options.execute:
        summarise(options)
        return
    for seed in range(options.seeds):
        options.seed = seed
        config = document(options, {"name": "mpc_vit", "options": VIT}, strategy="single_path")
        splits = load_data(config.data, seed=0)
        for name, part in PARTS.items():
            if options.only in (None, name):
                part(options, splits)


if __name__ == "__main__":
    main()
