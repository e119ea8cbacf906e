"""The actions of ``nas lut`` that read and write tables, and measure nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.arguments import chosen_space
from nas.cli.output import print_json
from nas.latency_tables import is_published
from nas.text import columns
from predictors.latency import (
    Difference,
    LatencyTable,
    compare_tables,
    describe_table,
    import_result,
    load_table,
    merge_tables,
    refuse_existing,
    save_table,
    space_of_table,
    table_summary,
    written_unit,
)

__all__ = ["diff", "import_", "merge", "show"]


def show(arguments: argparse.Namespace) -> None:
    """Print what a table is of and how good it is."""
    _print(arguments, load_table(arguments.table))


def import_(arguments: argparse.Namespace) -> None:
    """Make a table of what a device measured, or of what others published."""
    if is_published(arguments.result):
        path = arguments.out or arguments.result.with_suffix(".lut.json")
        _import_yaml(arguments, path)
    else:
        path = arguments.out or Path(f"{arguments.result.stem}.lut.json")
        import_result(arguments.result, path, kit=arguments.kit)
    if not arguments.json:
        print(f"wrote {path}\n")
    _print(arguments, load_table(path))


def _import_yaml(arguments: argparse.Namespace, path: Path) -> None:
    from predictors.foreign import load_lookup_table, table_of_lookup

    refuse_existing(path)
    published = load_lookup_table(arguments.result, device=arguments.device)
    save_table(table_of_lookup(published, chosen_space(arguments)), path)


def merge(arguments: argparse.Namespace) -> None:
    """Make one table of two."""
    path = arguments.out or Path("merged.lut.json")
    refuse_existing(path)
    first, second = load_table(arguments.first), load_table(arguments.second)
    save_table(merge_tables(space_of_table(first), first, second), path)
    if not arguments.json:
        print(f"wrote {path}\n")
    _print(arguments, load_table(path))


def diff(arguments: argparse.Namespace) -> None:
    """Compare two tables."""
    first, second = load_table(arguments.first), load_table(arguments.second)
    found = compare_tables(first, second)
    units = written_unit(first.metric), written_unit(second.metric)
    if arguments.json:
        print_json(found.to_json())
    else:
        print(_describe(found, (str(arguments.first), str(arguments.second)), units=units))


def _describe(found: Difference, names: tuple[str, str], *, units: tuple[str, str]) -> str:
    low, middle, high = found.ratio_quantiles
    lines = [
        f"{names[0]} against {names[1]}",
        *(f"  {difference}" for difference in found.identity or ["the same thing measured twice"]),
        f"  {found.common:,} blocks in both, {found.only_first:,} only in the first, "
        f"{found.only_second:,} only in the second",
    ]
    if found.common:
        lines += [
            f"  second over first: {middle:.3f} (90 % from {low:.3f} to {high:.3f}); Spearman "
            f"{found.spearman:.3f}, Kendall {found.kendall:.3f}",
            "",
            columns(
                ("most different", "first", "second"),
                [
                    (
                        str(row.block),
                        f"{row.first_ms:.4g} {units[0]}",
                        f"{row.second_ms:.4g} {units[1]}",
                    )
                    for row in found.largest
                ],
            ),
        ]
    return "\n".join(lines)


def _print(arguments: argparse.Namespace, table: LatencyTable) -> None:
    if arguments.json:
        print_json(table_summary(table))
    else:
        print(describe_table(table))
