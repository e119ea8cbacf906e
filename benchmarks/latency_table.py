"""How good latency tables are, and how long they take: every runtime, held-out whole networks.

A table is built for each space in each runtime. Its estimates are compared with whole networks
that were measured among its blocks but not used to calibrate it; the ceiling compares one half
of those measurements with the other, which no table can exceed.

LiteRT and ExecuTorch convert, and torch.compile compiles, for seconds a network before anything is
measured: for them there are parts of mobile_small, and --keep keeps what a stopped build has done.

python benchmarks/latency_table.py
python benchmarks/latency_table.py --runtime onnxruntime --space mobile_small --rounds 5
python benchmarks/latency_table.py --runtime executorch --space mobile_small_part \
    --calibration 12 --nets 20 --keep tables --name latency_table_executorch
python benchmarks/latency_table.py --runtime litert --space mobile_small_one_width \
    --calibration 10 --nets 20 --keep tables --name latency_table_litert
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from common import print_table, write_result

from predictors import MeasurementError
from predictors.latency import Agreement, LutOptions, build_table, get_runtime, list_runtimes
from predictors.latency.models import EmptyModel
from search_spaces import MissingExtraError, SearchSpace, get_space
from search_spaces.restriction import Keep


@dataclasses.dataclass(frozen=True)
class Case:
    """A space: its registered name and options, and the part of it that is kept."""

    name: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    keep: Keep = dataclasses.field(default_factory=dict)

    def space(self) -> SearchSpace:
        """Return the space."""
        return get_space(self.name, **self.options).restrict(self.keep)


WHOLE = {
    "mobile_small": Case("mobile_small"),
    "ofa_mobilenet_v3": Case("ofa_mobilenet_v3", {"resolutions": [96, 128, 160]}),
}
PARTS = {
    "mobile_small_part": Case(
        "mobile_small",
        {"resolutions": [32]},
        {"expand_*": [2, 4], "width_2": [32, 48], "width_3": [64, 96]},
    ),
    "mobile_small_one_width": Case(
        "mobile_small",
        {"resolutions": [32]},
        {"expand_*": [2, 4], "width_1": [24], "width_2": [48], "width_3": [96]},
    ),
}
SPACES = WHOLE | PARTS
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


def proof(name: str, options: LutOptions, keep: Path | None) -> dict[str, Any]:
    """Build one table and return how good it is.

    Args:
        name: Of the space.
        options: How to measure.
        keep: Folder of the tables, where one that was begun goes on; by default a new one.
    """
    case = SPACES[name]
    with nullcontext(keep) if keep is not None else tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.{options.runtime}.lut.json"
        begun = path.exists() or path.with_name(f"{path.name}.partial").exists()
        start = time.perf_counter()
        table = build_table(case.space(), options, path)
        seconds = time.perf_counter() - start
    assert table.validation is not None
    return {
        "space": name,
        "options": dict(case.options),
        "keep": dict(case.keep),
        "begun_before": begun,
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
    parser.add_argument(
        "--space", action="append", choices=sorted(SPACES), help=f"default: {sorted(WHOLE)}"
    )
    parser.add_argument("--nets", type=int, default=50, help="held-out networks (50)")
    parser.add_argument("--calibration", type=int, default=40, help="networks to fit (40)")
    parser.add_argument("--rounds", type=int, help="default: until a latency is sure to 1 %%")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder of the tables; begun ones go on")
    parser.add_argument("--name", default="latency_table", help="of the result")
    arguments = parser.parse_args()
    options = LutOptions(
        threads=arguments.threads,
        rounds=arguments.rounds,
        calibration_nets=arguments.calibration,
        validation_nets=arguments.nets,
    )
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    rows = []
    for space in arguments.space or sorted(WHOLE):
        for runtime in arguments.runtime or installed_runtimes():
            chosen = dataclasses.replace(options, runtime=runtime)
            rows.append(proof(space, chosen, arguments.keep))
            print_table([printed(rows[-1])])
            print(flush=True)
    print_table([printed(row) for row in rows])
    write_result(arguments.name, {"threads": arguments.threads, "tables": rows})


if __name__ == "__main__":
    main()
