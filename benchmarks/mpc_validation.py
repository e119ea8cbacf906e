"""Private inference, predicted against really executed by several processes.

    python benchmarks/mpc_validation.py counts                      # bytes and messages
    python benchmarks/mpc_validation.py latency --table vit.mpc.json --nets 20

`counts` executes held-out networks of a small vision transformer and of a small residual network
with every protocol: SEMI2K and ABY3 predicted by laws, CHEETAH by the table that ships. `latency`
executes each network over a shaped link of 40 ms and 400 Mbit/s, twice, so that the two executions
bound what any prediction can reach; both orders stand beside those by bytes alone and by ReLUs
alone. It takes a table of this machine, since laws know no processor time. Needs `nas mpc setup`,
and root for the link.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, print_table, write_result

from predictors.latency.graph import network as placed_blocks
from predictors.mpc import (
    NETWORKS,
    MpcCost,
    Network,
    OperatorPrices,
    Program,
    Protocol,
    ReluCount,
    get_protocol,
    known_prices,
    load_mpc_table,
    predict,
    program_of,
)
from predictors.mpc.execute import Execution, execute, random_arrays
from predictors.mpc.validation import Comparison
from predictors.ranking import kendall_tau_b
from search_spaces import Architecture, SearchSpace, get_space

SPACES: dict[str, dict[str, Any]] = {
    "mpc_vit": {"dim": 64, "depths": [1]},
    "mpc_resnet": {
        "resolution": 16,
        "widths": [8, 16],
        "depths": [1, 1],
        "shares": [0.0, 0.25, 1.0],
    },
}
WAN = NETWORKS["wan"]
REPEATS = {"semi2k": 1, "aby3": 4, "cheetah": 3}
"""Inferences of each network: ABY3 draws its parties' roles, CHEETAH refills now and then."""


def drawn(space: SearchSpace, count: int, seed: int) -> Sequence[Architecture]:
    """Return different networks of a space, drawn at random."""
    rows = space.unique(space.sample(4 * count, np.random.default_rng(seed)))
    return space.decode_all(rows[:count])


def counts(names: Sequence[str], protocols: Sequence[str], nets: int, seed: int) -> None:
    """Compare bytes and messages, and keep them beside those of other protocols.

    What was executed is kept, network by network; what is predicted is computed anew.
    """
    path = RESULTS / "mpc_validation_counts.json"
    results = json.loads(path.read_text("utf-8"))["results"] if path.exists() else {}
    for name in names:
        space = get_space(name, **SPACES[name])
        for protocol in protocols:
            key = f"{name} {protocol}"
            kept = {row["id"]: row for row in results.get(key, {}).get("rows", [])}
            rows: list[dict[str, Any]] = []
            for architecture in drawn(space, nets, seed):
                program = program_of(placed_blocks(space, architecture))
                predicted = predict(program, known_prices(get_protocol(protocol)))
                id = space.id_of(architecture)
                executed = kept.get(id, {}).get("executed") or _counted(program, protocol)
                found = Comparison(id, predicted, _execution(executed), get_protocol(protocol))
                rows.append({**found.row(None), "executed": executed})
                results[key] = {"seed": seed, **_largest_errors(rows), "rows": rows}
                write_result(path.stem, {"options": SPACES, "results": results})
    print_table(
        [
            {
                "space and protocol": key,
                "networks": len(row["rows"]),
                "largest error of bytes": f"{row['largest_bytes_error']:.4%}",
                "of messages": f"{row['largest_sends_error']:.1%}",
                "of bytes, refills included": _percent(row, "largest_bytes_error_with_refills"),
            }
            for key, row in results.items()
        ]
    )


def _counted(program: Program, protocol: str) -> dict[str, Any]:
    """Execute a network with random weights, and return what it sent in every inference."""
    arrays = random_arrays(program)
    images = [arrays["input"]] * REPEATS[protocol]
    done = execute(program, arrays, get_protocol(protocol), images=images)
    return {
        "costs": [dataclasses.asdict(cost) for cost in done.costs],
        "walls_s": done.walls_s,
        "load": done.load,
        "versions": done.versions,
    }


def _execution(executed: dict[str, Any]) -> Execution:
    """Return what was executed as `_counted` kept it."""
    costs = tuple(MpcCost(**cost) for cost in executed["costs"])
    walls_s, load, versions = (executed[key] for key in ("walls_s", "load", "versions"))
    return Execution(costs[0], costs, walls_s, 0.0, np.zeros(0), "loopback", None, load, versions)


def _largest_errors(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    keys = ("bytes_error", "sends_error", "bytes_error_with_refills")
    return {f"largest_{key}": max(abs(row[key]) for row in rows) for key in keys if key in rows[0]}


def _percent(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:.2%}" if key in row else ""


def latency(name: str, table: Path, nets: int, seed: int) -> None:
    """Compare seconds over a shaped link; a run that was stopped goes on.

    What was executed is kept; what is predicted is computed anew from the table.
    """
    space, prices = get_space(name, **SPACES[name]), load_mpc_table(table)
    path = RESULTS / f"mpc_validation_latency_{name}_{prices.protocol.name}.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    executed: list[dict[str, Any]] = kept["rows"] if kept.get("seed") == seed else []
    architectures = drawn(space, nets, seed)
    while True:
        rows = [
            {**row, **_predicted(space, architecture, prices, row["link_rtt_ms"])}
            for row, architecture in zip(executed, architectures, strict=False)
        ]
        result = {"seed": seed, "options": SPACES[name], "table": prices.provenance.to_json()}
        write_result(path.stem, {**result, "summary": _summary(rows), "rows": rows})
        if len(executed) >= nets:
            break
        executed.append(_executed(space, architectures[len(executed)], prices.protocol))
    print_table([{"what": key, "": f"{value:.4g}"} for key, value in _summary(rows).items()])


def _executed(
    space: SearchSpace, architecture: Architecture, protocol: Protocol
) -> dict[str, Any]:
    program = program_of(placed_blocks(space, architecture))
    arrays = random_arrays(program)
    done = execute(program, arrays, protocol, images=[arrays["input"]] * 2, network=WAN)
    assert done.rtt_ms is not None, "the link cannot be shaped here: it needs root and TUN"
    return {
        "id": space.id_of(architecture),
        "executed_s": done.walls_s,
        "executed_cpu_s": done.cost.cpu_s,
        "link": done.link,
        "link_rtt_ms": done.rtt_ms,
        "load": os.getloadavg()[0],
    }


def _predicted(
    space: SearchSpace, architecture: Architecture, prices: OperatorPrices, rtt_ms: float
) -> dict[str, Any]:
    predicted = predict(program_of(placed_blocks(space, architecture)), prices)
    measured, relus = Network("measured", rtt_ms, WAN.mbit_per_s), ReluCount()
    return {
        "predicted_s": predicted.latency_s(WAN),
        "predicted_at_link_s": predicted.latency_s(measured),
        "predicted_cpu_s": predicted.cpu_s,
        "online_bytes": predicted.online_bytes,
        "sends": predicted.sends,
        "relus": sum(relus(b) for b in space.blocks(architecture).values() if b is not None),
    }


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return errors of the mean of both executions, and Kendall's tau of every order with it."""
    if not rows:
        return {}
    both = np.array([row["executed_s"] for row in rows])
    measured = both.mean(1)
    figures: dict[str, float] = {"networks": len(rows)}
    for name in ("predicted_s", "predicted_at_link_s"):
        errors = np.abs(np.array([row[name] for row in rows]) / measured - 1)
        figures[f"mape_{name}"] = float(errors.mean())
        figures[f"largest_error_{name}"] = float(errors.max())
    if len(rows) > 2:
        for name in ("predicted_s", "predicted_at_link_s", "online_bytes", "sends", "relus"):
            values = [row[name] for row in rows]
            if len(set(values)) > 1:  # else it orders nothing
                figures[f"kendall_{name}"] = kendall_tau_b(values, measured)
        figures["kendall_of_two_executions"] = kendall_tau_b(both[:, 0], both[:, 1])
    figures["link_rtt_ms"] = float(np.mean([row["link_rtt_ms"] for row in rows]))
    figures["load"] = max(row["load"] for row in rows)
    return figures


def main() -> None:
    """Run one of the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("counts", "latency"))
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument(
        "--protocols", nargs="+", default=["semi2k", "aby3", "cheetah"], help="of counts (all)"
    )
    parser.add_argument("--table", type=Path, help="latency: of nas mpc measure")
    parser.add_argument("--nets", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.part == "counts":
        counts(arguments.spaces, arguments.protocols, arguments.nets, arguments.seed)
    elif arguments.table is None:
        parser.error("latency needs a table: nas mpc measure --space mpc_vit ... --out FILE")
    else:
        latency(arguments.spaces[0], arguments.table, arguments.nets, arguments.seed)


if __name__ == "__main__":
    main()
