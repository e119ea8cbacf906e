"""``nas cost``: the price of one architecture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nas.cli.arguments import add_architecture, add_json, add_space, chosen_architecture
from nas.cli.output import print_json
from nas.text import columns, quantity
from predictors import INT8_PEAK_MEMORY, CostTable, Macs, Params, PeakMemory, compile_cost
from search_spaces import SearchSpace

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_space(parser)
    add_architecture(parser)
    parser.add_argument(
        "--lut",
        metavar="TABLE",
        action="append",
        default=[],
        type=Path,
        help="a latency table; YAML: one of once-for-all or ProxylessNAS",
    )
    parser.add_argument(
        "--lut-device", metavar="NAME", default="", help="what a YAML table was measured on"
    )
    parser.add_argument("--blocks", action="store_true", help="print the price of every block")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    space, architecture = chosen_architecture(arguments)
    models = (Macs(), Params(), PeakMemory(), INT8_PEAK_MEMORY)
    costs = [compile_cost(space, model) for model in models]
    costs += [_table_cost(space, path, arguments.lut_device) for path in arguments.lut]
    if arguments.json:
        _print_json(space, costs, architecture, blocks=arguments.blocks)
        return
    print(f"{space.name} {space.id_of(architecture)} at {space.resolution_of(architecture)} px")
    rows = [
        (cost.metric, quantity(cost.metric, cost.of(architecture)), str(cost.provenance))
        for cost in costs
    ]
    width = max(len(row[1]) for row in rows)
    for metric, value, source in rows:
        print(f"  {metric:22} {value:>{width}}   {source}")
    if arguments.blocks:
        print()
        print(_block_table(space, costs, architecture))


def _table_cost(space: SearchSpace, path: Path, device: str) -> CostTable:
    """Return a latency table, ours or a published one, compiled for a space.

    Raises:
        TableError: It is damaged or was built for other blocks.
    """
    from nas.latency_tables import read_table

    table = read_table(path, device=device)
    table.check(space)
    return compile_cost(space, table.cost_model())


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
