"""How good latency tables are, and how long they take: every runtime, held-out whole networks.

A table is built for each space in each runtime. Its estimates are compared with whole networks
that were measured among its blocks but not used to calibrate it; the ceiling compares one half
of those measurements with the other, which no table can exceed.

python benchmarks/latency_table.py
python benchmarks/latency_table.py --runtime onnxruntime --space mobile_small --rounds 5
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from common import print_table, write_result

from predictors import MeasurementError
from predictors.latency import Agreement, LutOptions, build_table, get_runtime, list_runtimes
from predictors.latency.models import EmptyModel
from search_spaces import MissingExtraError, get_space

SPACES: dict[str, dict[str, Any]] = {
    "mobile_small": {},
    "ofa_mobilenet_v3": {"resolutions": [96, 128, 160]},
}
FIGURES = ("spearman", "kendall", "bias", "within_5_percent", "within_10_percent", "worst")


def installed_runtimes() -> list[str]:
    """Return the runtimes that can be measured in here."""
    names = []
    for name in list_runtimes():
        try:
            get_runtime(name).prepare(EmptyModel(), threads=1)
        except (MeasurementError, MissingExtraError):
            continue
        names.append(name)
    return names


def figures(found: Agreement) -> dict[str, float]:
    """Return what is printed of an agreement."""
    return {name: getattr(found, name) for name in FIGURES}


def proof(space_name: str, options: LutOptions) -> dict[str, Any]:
    """Build one table and return how good it is."""
    space = get_space(space_name, **SPACES[space_name])
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = build_table(space, options, Path(folder) / "t.lut.json")
        seconds = time.perf_counter() - start
    assert table.validation is not None
    return {
        "space": space_name,
        "options": SPACES[space_name],
        "runtime": f"{table.conditions.runtime} {table.conditions.runtime_version}",
        "blocks": len(table.rows),
        "rounds": table.rounds,
        "seconds": seconds,
        "nets": table.validation.estimate.nets,
        "table": figures(table.validation.estimate),
        "ceiling": figures(table.validation.ceiling),
        "suspicious_rows": len(table.suspicious()),
        "calibration": table.calibration.to_json(),
    }


def printed(row: dict[str, Any]) -> dict[str, Any]:
    """Return one line of the printed table."""
    mine, ceiling = row["table"], row["ceiling"]
    return {
        "space": row["space"],
        "runtime": row["runtime"].split("-")[0],
        "blocks": row["blocks"],
        "rounds": row["rounds"],
        "minutes": row["seconds"] / 60,
        "nets": row["nets"],
        "Spearman": mine["spearman"],
        "bias %": 100 * mine["bias"],
        "in 5 %": 100 * mine["within_5_percent"],
        "in 10 %": 100 * mine["within_10_percent"],
        "worst %": 100 * mine["worst"],
        "ceiling: Spearman": ceiling["spearman"],
        "in 5 %, ceiling": 100 * ceiling["within_5_percent"],
        "in 10 %, ceiling": 100 * ceiling["within_10_percent"],
    }


def main() -> None:
    """Print and keep the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", action="append", help="default: every installed one")
    parser.add_argument("--space", action="append", choices=sorted(SPACES))
    parser.add_argument("--nets", type=int, default=50, help="held-out networks (50)")
    parser.add_argument("--calibration", type=int, default=40, help="networks to fit (40)")
    parser.add_argument("--rounds", type=int, help="default: until a latency is sure to 1 %%")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="latency_table", help="of the result")
    arguments = parser.parse_args()
    options = LutOptions(
        threads=arguments.threads,
        rounds=arguments.rounds,
        calibration_nets=arguments.calibration,
        validation_nets=arguments.nets,
    )
    rows = []
    for space in arguments.space or sorted(SPACES):
        for runtime in arguments.runtime or installed_runtimes():
            rows.append(proof(space, dataclasses.replace(options, runtime=runtime)))
            print_table([printed(rows[-1])])
            print(flush=True)
    print_table([printed(row) for row in rows])
    write_result(arguments.name, {"threads": arguments.threads, "tables": rows})


if __name__ == "__main__":
    main()
