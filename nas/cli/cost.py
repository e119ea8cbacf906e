"""``nas cost``: the price of one architecture."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.cli.arguments import add_architecture, add_json, add_space, chosen_architecture
from nas.cli.output import print_json
from nas.errors import ConfigError
from nas.metric_names import LATENCY, placed
from nas.text import columns, quantity
from predictors import INT8_PEAK_MEMORY, CostTable, Macs, Params, PeakMemory, compile_cost
from search_spaces import SearchSpace

__all__ = ["configure", "run"]

_NAMED = re.compile(r"([a-z][a-z0-9_]*)=(.+)", re.ASCII)


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_space(parser)
    add_architecture(parser)
    parser.add_argument(
        "--lut",
        metavar="[NAME=]TABLE",
        action="append",
        default=[],
        help="a latency table; YAML: one of once-for-all or ProxylessNAS. For several devices "
        "give each a name: phone=pixel.lut.json prints phone_latency_ms",
    )
    parser.add_argument(
        "--lut-device",
        metavar="NAME",
        default="",
        help="what a YAML table was measured on, where it has no NAME",
    )
    parser.add_argument("--blocks", action="store_true", help="print the price of every block")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    space, architecture = chosen_architecture(arguments)
    models = (Macs(), Params(), PeakMemory(), INT8_PEAK_MEMORY)
    costs = [compile_cost(space, model) for model in models]
    costs += _table_costs(space, arguments.lut, arguments.lut_device)
    if arguments.json:
        _print_json(space, costs, architecture, blocks=arguments.blocks)
        return
    print(f"{space.name} {space.id_of(architecture)} at {space.resolution_of(architecture)} px")
    rows = [
        (cost.metric, quantity(cost.metric, cost.of(architecture)), str(cost.provenance))
        for cost in costs
    ]
    width = max(len(row[1]) for row in rows)
    names = max(22, *(len(row[0]) for row in rows))
    for metric, value, source in rows:
        print(f"  {metric:{names}} {value:>{width}}   {source}")
    if arguments.blocks:
        print()
        print(_block_table(space, costs, architecture))


def _table_costs(space: SearchSpace, given: Sequence[str], device: str) -> list[CostTable]:
    """Return latency tables, ours or published ones, compiled for a space.

    Args:
        space: What they are compiled for.
        given: Of each table the path, or a name, ``=`` and the path.
        device: What a published table without a name was measured on.

    Raises:
        TableError: One is damaged or was built for other blocks.
        ConfigError: Two have the same name, or none.
    """
    from nas.latency_tables import latency_cost, read_table

    costs: dict[str, CostTable] = {}
    for text in given:
        found = _NAMED.fullmatch(text)
        name, path = (found[1], found[2]) if found else ("", text)
        metric = placed(name, LATENCY)
        if metric in costs:
            raise ConfigError(
                f"--lut {text}: another table gives {metric} already. Name each device: "
                f"--lut phone={path}."
            )
        table = read_table(Path(path), device=name or device)
        table.check(space)
        costs[metric] = latency_cost(space, table, metric)
    return list(costs.values())


def _print_json(
    space: SearchSpace, costs: list[CostTable], architecture: Any, *, blocks: bool
) -> None:
    result: dict[str, Any] = {"space": space.name, "id": space.id_of(architecture)}
    for cost in costs:
        value = cost.of(architecture)
        result[cost.metric] = int(value) if value.is_integer() else value
    result["provenance"] = {cost.metric: cost.provenance.to_json() for cost in costs}
    if blocks:
        result["blocks"] = {cost.metric: cost.breakdown(architecture) for cost in costs}
    print_json(result)


def _block_table(space: SearchSpace, costs: list[CostTable], architecture: Any) -> str:
    prices = [cost.breakdown(architecture) for cost in costs]
    rows = [
        (
            name,
            *(
                quantity(cost.metric, price[name])
                for cost, price in zip(costs, prices, strict=True)
            ),
        )
        for name, block in space.blocks(architecture).items()
        if block is not None
    ]
    return columns(("block", *(cost.metric for cost in costs)), rows)
