"""``nas mpc``: the cost of private inference, predicted, measured and really executed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.cli.arguments import (
    add_architecture,
    add_json,
    add_space,
    chosen_architecture,
    chosen_space,
)
from nas.cli.output import print_json
from nas.cli.progress import ProgressBar
from nas.errors import ConfigError
from nas.text import columns, quantity
from predictors.latency.graph import network as placed_blocks
from predictors.mpc import (
    NETWORKS,
    PROTOCOLS,
    MpcCost,
    Network,
    OperatorPrices,
    Program,
    Protocol,
    executable_protocol,
    get_network,
    get_protocol,
    known_prices,
    known_rounds,
    load_mpc_table,
    predict,
    program_of,
)
from search_spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from predictors.mpc.execute import Execution

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "action",
        choices=("predict", "run", "measure", "validate", "setup"),
        help="predict a network's cost; run it privately; measure a table of operators; "
        "validate predictions on held-out networks; install the engine",
    )
    parser.add_argument("table", metavar="TABLE", nargs="?", type=Path, help="validate: a table")
    add_space(parser)
    add_architecture(parser, required=False)
    parser.add_argument(
        "--export",
        metavar="FOLDER",
        type=Path,
        help="run: an exported subnet (RUN/exports/ID) with its own weights",
    )
    parser.add_argument(
        "--images",
        metavar="N",
        type=int,
        default=1,
        help="run: test images of the export's run to predict (1)",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", default=None, help=f"{', '.join(PROTOCOLS)} (semi2k)"
    )
    parser.add_argument("--prices", metavar="TABLE", type=Path, help="predict by a measured table")
    parser.add_argument(
        "--network", metavar="NAME", default="wan", help=f"{', '.join(NETWORKS)} (wan)"
    )
    parser.add_argument("--rtt-ms", metavar="MS", type=float, help="round-trip time")
    parser.add_argument("--mbit", metavar="RATE", type=float, help="10^6 bits a second, one way")
    parser.add_argument("--nets", metavar="N", type=int, default=8, help="validate: networks (8)")
    parser.add_argument(
        "--repeats", metavar="N", type=int, default=1, help="validate: inferences of each (1)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of weights and networks")
    parser.add_argument("--out", metavar="TABLE", type=Path, help="measure: file to write")
    parser.add_argument(
        "--under-load", action="store_true", help="measure on a busy machine; the table says so"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    _ACTIONS[arguments.action](arguments)


def _network(arguments: argparse.Namespace) -> Network:
    return get_network(arguments.network, rtt_ms=arguments.rtt_ms, mbit_per_s=arguments.mbit)


def _protocol(arguments: argparse.Namespace) -> Protocol:
    """Return the protocol, of those an engine runs where one must."""
    of = get_protocol if arguments.action == "predict" else executable_protocol
    return of(arguments.protocol or "semi2k")


def _prices(arguments: argparse.Namespace, path: Path | None) -> OperatorPrices:
    """Return a table's prices, or the laws of the protocol.

    Raises:
        ConfigError: The table is of another protocol than asked.
    """
    if path is None:
        return known_prices(_protocol(arguments))
    table = load_mpc_table(path)
    if arguments.protocol not in (None, table.protocol.name):
        raise ConfigError(f"{path} is a table of {table.protocol.name}, not {arguments.protocol}.")
    return table


def _chosen(arguments: argparse.Namespace) -> tuple[SearchSpace, Architecture, Program]:
    space, architecture = chosen_architecture(arguments)
    return space, architecture, program_of(placed_blocks(space, architecture))


def _predict(arguments: argparse.Namespace) -> None:
    space, architecture, program = _chosen(arguments)
    prices, network = _prices(arguments, arguments.prices), _network(arguments)
    cost = predict(program, prices)
    result = _figures(prices.protocol, network, cost, cost.latency_s(network))
    result["provenance"] = prices.provenance.to_json()
    _show(arguments, f"{space.name} {space.id_of(architecture)}, predicted", result)


def _run(arguments: argparse.Namespace) -> None:
    from predictors.mpc.execute import execute, random_arrays

    if arguments.export is not None:
        _run_exported(arguments)
        return
    space, architecture, program = _chosen(arguments)
    protocol, network = _protocol(arguments), _network(arguments)
    with ProgressBar(f"private inference by {protocol.parties} parties") as progress:
        arrays = random_arrays(program, seed=arguments.seed)
        done = execute(program, arrays, protocol, network=network, progress=progress)
    result = _executed(done, program, protocol, network) | {"weights": "random"}
    _show(arguments, f"{space.name} {space.id_of(architecture)}, executed", result)


def _run_exported(arguments: argparse.Namespace) -> None:
    """Run an exported subnet on test images, beside torch.

    Raises:
        ConfigError: Another architecture is named too, or there are no images.
    """
    from nas.pipeline import load_splits
    from nas.private import private_agreement, run_of_export
    from nas.problems import space_of

    if arguments.architecture is not None or arguments.space is not None:
        raise ConfigError(
            "An export names its own space and architecture: leave out --space and --architecture."
        )
    if arguments.images < 1:
        raise ConfigError(f"--images must be at least 1, got {arguments.images}.")
    protocol, network = _protocol(arguments), _network(arguments)
    config = run_of_export(arguments.export).config
    splits = load_splits(config, space_of(config), ProgressBar)
    with ProgressBar(f"private inference by {protocol.parties} parties") as progress:
        found = private_agreement(
            arguments.export,
            splits,
            protocol,
            images=arguments.images,
            seed=arguments.seed,
            network=network,
            progress=progress,
        )
    result = _executed(found.execution, found.program, protocol, network)
    result |= {"weights": str(arguments.export), "agreement": found.to_json()}
    _show(arguments, f"{arguments.export}, executed", result)


def _executed(
    done: Execution, program: Program, protocol: Protocol, network: Network
) -> dict[str, Any]:
    """Return the figures of an execution; the formula adds the network to one on loopback."""
    cost, shaped, rounds_are = done.cost, done.link != "loopback", "counted"
    if not protocol.sends_are_rounds:
        known = known_rounds(program, protocol)
        rounds_are = "an upper bound" if known is None else "predicted"
        cost = replace(cost, rounds=cost.rounds if known is None else known)
    latency_s = done.wall_s if shaped else done.wall_s + cost.network_s(network)
    result = _figures(protocol, network, cost, latency_s)
    result |= {"rounds_are": rounds_are, "wall_s": done.wall_s, "link": done.link}
    result |= {"link_rtt_ms": done.rtt_ms, "setup_bytes": done.setup_bytes}
    return result | {"load": done.load, "versions": done.versions}


def _figures(
    protocol: Protocol, network: Network, cost: MpcCost, latency_s: float
) -> dict[str, Any]:
    """Return the keys that predictions and executions share."""
    return {
        "protocol": protocol.name,
        "online_bytes": int(cost.online_bytes),
        "sends": int(cost.sends),
        "rounds": round(cost.rounds),
        "cpu_s": cost.cpu_s,
        "latency_s": latency_s,
        "offline_bytes": cost.offline_bytes,
        "setup_bytes": protocol.setup_bytes,
        "network": {
            "name": network.name,
            "rtt_ms": network.rtt_ms,
            "mbit_per_s": network.mbit_per_s,
        },
    }


def _show(arguments: argparse.Namespace, heading: str, result: dict[str, Any]) -> None:
    if arguments.json:
        print_json(result)
        return
    network, cpu_s = result["network"], result["cpu_s"]
    print(f"{heading}: {get_protocol(result['protocol'])}")
    rounds_are = f", {result['rounds_are']}" if "rounds_are" in result else ""
    ahead = result["offline_bytes"]
    offline = "not measurable" if ahead is None else quantity("offline_bytes", ahead)
    where = f"{network['name']}, {network['rtt_ms']:g} ms, {network['mbit_per_s']:g} Mbit/s"
    lines = [
        ("sent by all parties", quantity("online_bytes", result["online_bytes"])),
        ("messages of a party", f"{result['sends']:,}"),
        ("rounds, one-way delays", f"{result['rounds']:,}{rounds_are}"),
        ("processor time of one party", "not measured" if cpu_s is None else f"{cpu_s:.3f} s"),
        (f"latency ({where})", f"{result['latency_s']:.3f} s{'' if cpu_s else ', network only'}"),
        ("sent ahead of it", offline),
        ("sent once for a session", quantity("setup_bytes", result["setup_bytes"])),
    ]
    if "provenance" in result:
        lines.append(("prices", ", ".join(result["provenance"].values())))
    if "link" in result:
        how = "shaped" if result["link"] != "loopback" else "not shaped: network by the formula"
        real = result["link_rtt_ms"]
        measured = "" if real is None else f", round trip measured {real:.2f} ms"
        lines.append(("link", f"{result['link']}, {how}{measured}"))
    if agreement := result.get("agreement"):
        lines += [
            ("images", f"{agreement['images']} of the test split"),
            ("top class as torch's", f"{agreement['top1_agreement']:.1%}"),
            (
                "largest difference of a logit",
                f"{agreement['largest_logit_difference']:.2g}, largest logit "
                f"{agreement['largest_logit']:.3g}",
            ),
            (
                "accuracy, private and torch",
                f"{agreement['accuracy']:.1%}, {agreement['accuracy_torch']:.1%}",
            ),
        ]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"  {name:{width}}  {value}")


def _measure(arguments: argparse.Namespace) -> None:
    from predictors.mpc.measure import build_mpc_table, operators_of_space

    space, protocol = chosen_space(arguments), _protocol(arguments)
    path = arguments.out or Path(f"{space.name}.{protocol.name}.mpc.json")
    operators = operators_of_space(space)
    with ProgressBar(f"{protocol.name} operators") as progress:
        table = build_mpc_table(
            operators, protocol, path, under_load=arguments.under_load, progress=progress
        )
    if arguments.json:
        print_json({"table": str(path), "rows": len(table.rows), "load": table.load})
    else:
        print(f"wrote {path}: {len(table.rows)} operators of {table.provenance}")


def _validate(arguments: argparse.Namespace) -> None:
    from predictors.mpc.validation import compare, summary

    if arguments.table is None and arguments.protocol is None:
        raise ConfigError(
            "Name a table to validate, or a protocol whose laws to: --protocol NAME."
        )
    space, network = chosen_space(arguments), _network(arguments)
    prices = _prices(arguments, arguments.table)
    drawn = space.unique(space.sample(4 * arguments.nets, np.random.default_rng(arguments.seed)))
    architectures = space.decode_all(drawn[: arguments.nets])
    with ProgressBar("private inference") as progress:
        found = compare(
            space,
            architectures,
            prices,
            network=network,
            repeats=arguments.repeats,
            progress=progress,
        )
    figures, rows = summary(found, network), [comparison.row(network) for comparison in found]
    if arguments.json:
        print_json({**figures, "rows": rows})
        return
    cells = [
        (
            row["id"],
            quantity("online_bytes", row["online_bytes"]),
            f"{row['bytes_error']:+.3%}",
            f"{row['sends']:,.10g}",
            f"{row['sends_error']:+.1%}",
            f"{row['latency_s']:.2f} s",
            f"{row['latency_error']:+.1%}" if "latency_error" in row else "",
        )
        for row in rows
    ]
    header = ("executed", "bytes", "predicted", "sends", "predicted", "latency", "predicted")
    print(columns(header, cells))
    print()
    for name, value in figures.items():
        print(f"{name.replace('_', ' ')}: {value:.4g}" if name != "link" else f"link: {value}")


def _setup(arguments: argparse.Namespace) -> None:
    from predictors.mpc.engine.environment import install_engine

    with ProgressBar("installing the engine") as progress:
        progress(0, 1, "about 0.7 GB")
        python = install_engine()
    print(f"the engine is ready: {python}")


_ACTIONS = {
    "predict": _predict,
    "run": _run,
    "measure": _measure,
    "validate": _validate,
    "setup": _setup,
}
