"""The actions of ``nas lut`` that measure: here, by a command, through ssh or through adb."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from nas import pipeline
from nas.cli.arguments import chosen_space, refuse_space
from nas.cli.output import print_json
from nas.cli.progress import ProgressBar
from nas.config import Config, load_config
from nas.errors import ConfigError
from nas.metric_names import LATENCY, placed, split_place
from nas.problems import space_of
from nas.text import columns
from predictors.latency import (
    Adb,
    Command,
    LatencyTable,
    LutOptions,
    Remote,
    Ssh,
    Target,
    ThisMachine,
    build_table,
    describe_table,
    estimate,
    judge,
    load_table,
    make_plan,
    measure_further,
    save_table,
    space_of_table,
    table_summary,
    write_kit,
    written_unit,
)
from search_spaces import SearchSpace

__all__ = ["build", "calibrate", "kit", "plan", "remote", "validate"]

_SETTINGS = tuple(field.name for field in dataclasses.fields(LutOptions))
_WORST = 3


def plan(arguments: argparse.Namespace) -> None:
    """Print what a table must measure."""
    space, options = _chosen(arguments)
    found = make_plan(space, options)
    guess = estimate(space, found, options)
    blocks = sum(item.block is not None for item in found.items)
    figures = {
        "space": space.name,
        "runtime": options.runtime,
        "blocks": blocks,
        "networks": len(found.items) - blocks - 2,
        "parts": len(found.parts),
        "weights_megabytes": round(sum(item.megabytes for item in found.items), 1),
        "rounds": guess.rounds,
        "reference_ms": guess.reference_ms,
        "estimated_minutes": guess.minutes,
    }
    if arguments.json:
        print_json(figures)
        return
    print(
        f"{space.name}: {blocks:,} different blocks and {figures['networks']} whole networks, "
        f"{figures['weights_megabytes']:,} MB of weights in {_counted(len(found.parts), 'part')}\n"
        f"  {options.runtime}, threads {options.threads}, batch {options.batch_size}: about "
        f"{guess.minutes:.1f} minutes for {guess.rounds} rounds on a machine like this one\n"
        f"  the reference network takes {guess.reference_ms:.3g} ms here; a device that is ten "
        "times slower takes up to ten times longer"
    )


def build(arguments: argparse.Namespace) -> None:
    """Build a table on this machine, or by a command."""
    target: Target = ThisMachine()
    if arguments.command is not None:
        target = Command(arguments.command, arguments.device or "")
    _build(arguments, target)


def remote(arguments: argparse.Namespace) -> None:
    """Build a table on another machine."""
    target = _target(arguments)
    if isinstance(target, ThisMachine | Command):
        raise ConfigError("Say where: --host USER@HOST for ssh, or --adb for Android.")
    _build(arguments, target)


def kit(arguments: argparse.Namespace) -> None:
    """Write a kit."""
    space, options = _chosen(arguments)
    folder = arguments.out or Path(f"{space.name}.{options.runtime}.kit")
    with ProgressBar("kit") as progress:
        written = write_kit(space, make_plan(space, options), options, folder, progress=progress)
    print(
        f"wrote {folder}: {len(written.files)} networks and runner.pyz. Copy it to the device, "
        "and there:\n\n    python3 runner.pyz\n\nThen take its result.json back:\n\n"
        "    nas lut import result.json --out TABLE.lut.json"
    )


def calibrate(arguments: argparse.Namespace) -> None:
    """Fit a table again: to networks that are measured now, or to those it holds."""
    if arguments.nets is None:
        table = load_table(arguments.table)
        table = judge(space_of_table(table), table)
        save_table(table, arguments.table)
    else:
        table, _ = _further(arguments, "calibration")
    if arguments.json:
        print_json(table.calibration.to_json())
    else:
        print(describe_table(table))


def validate(arguments: argparse.Namespace) -> None:
    """Compare a table with networks that are measured now, or with those it holds."""
    drift = None
    if arguments.nets is None:
        table = load_table(arguments.table)
    else:
        table, drift = _further(arguments, "validation")
    if table.validation is None:
        raise ConfigError(
            f"{arguments.table} holds no validation networks. Measure some: --nets 50."
        )
    if arguments.json:
        print_json({**table.validation.to_json(), "machine_drift": drift})
        return
    print(describe_table(table))
    if drift is not None:
        print(f"  machine      took {drift:.3f} times as long as for the table; corrected")
    print(f"\n{_worst(table)}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _worst(table: LatencyTable) -> str:
    """Return the held-out networks that the table estimates worst."""
    held_out = [net for net in table.networks if net.role == "validation"]
    held_out.sort(key=lambda net: -abs(net.estimated_ms / net.timing.latency_ms - 1))
    rows = [
        (
            f"{net.timing.latency_ms:.4g} {written_unit(table.metric)}",
            f"{net.estimated_ms:.4g} {written_unit(table.metric)}",
            f"{net.estimated_ms / net.timing.latency_ms - 1:+.1%}",
        )
        for net in held_out[:_WORST]
    ]
    return columns(("worst: measured", "by the table", "error"), rows)


def _build(arguments: argparse.Namespace, target: Target) -> None:
    space, options = _chosen(arguments)
    path = arguments.out or Path(f"{space.name}.{options.runtime}.lut.json")
    said = f"{path} is there already; nothing was measured" if path.exists() else f"wrote {path}"
    with ProgressBar("latency table") as progress:
        table = build_table(space, options, path, target=target, progress=progress)
    if arguments.json:
        print_json(table_summary(table))
    else:
        print(f"{said}\n")
        print(describe_table(table))


def _further(arguments: argparse.Namespace, role: str) -> tuple[LatencyTable, float]:
    if arguments.nets < 1:
        raise ConfigError(f"--nets must be at least 1, got {arguments.nets}.")
    with ProgressBar(role) as progress:
        return measure_further(
            arguments.table,
            "calibration" if role == "calibration" else "validation",
            arguments.nets,
            options=dataclasses.replace(LutOptions(), **_flags(arguments)),
            target=_target(arguments),
            progress=progress,
        )


def _chosen(arguments: argparse.Namespace) -> tuple[SearchSpace, LutOptions]:
    """Return the space and the options that a configuration, or flags, describe; flags win."""
    options = LutOptions()
    if arguments.config is None and (arguments.space or "").endswith(".toml"):
        arguments.config, arguments.space = Path(arguments.space), None
    if arguments.config is not None:
        refuse_space(arguments, str(arguments.config))
        config = load_config(arguments.config)
        space = space_of(config)
        options = _section_options(config, getattr(arguments, "section", None)) or options
    else:
        space = chosen_space(arguments)
    return space, dataclasses.replace(options, **_flags(arguments))


def _section_options(config: Config, name: str | None) -> LutOptions | None:
    """Return how a configuration measures, by the section that is named; None for no section.

    Raises:
        ConfigError: There is no such section, or there are several and none is named.
    """
    sections = config.latencies
    if not sections and name is None:
        return None
    metric = placed(name or "", LATENCY)
    if metric not in sections:
        names = [split_place(known)[0] for known in sections]
        raise ConfigError(
            f"The configuration has the sections {', '.join(f'[latency.{n}]' for n in names)}; "
            f"say which: --section {names[0]}."
            if any(names)
            else f"--section {name}: the configuration has no section [latency.{name}]. "
            "Leave the option out."
        )
    return pipeline.lut_options(sections[metric])


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given."""
    given = {name: getattr(arguments, name, None) for name in _SETTINGS}
    return {name: value for name, value in given.items() if value is not None}


def _target(arguments: argparse.Namespace) -> Target:
    """Return where to measure.

    Raises:
        ConfigError: Two places are named, or adb without a command.
    """
    if arguments.host is not None and arguments.adb is not None:
        raise ConfigError("Give --host or --adb, not both.")
    if arguments.host is not None:
        if arguments.command is not None:
            raise ConfigError(
                "--command does not go with --host. Write a kit, copy it, and run there: "
                "python3 runner.pyz --command TEMPLATE --device NAME."
            )
        options = tuple(arguments.ssh_option)
        ssh = Ssh(arguments.host, arguments.port, arguments.identity, options)
        return Remote(ssh, arguments.folder, arguments.python)
    if arguments.adb is not None:
        if arguments.command is None:
            raise ConfigError(
                "--adb needs a program on the device that prints milliseconds, for example "
                "--command '/data/local/tmp/bench {model}'."
            )
        return Adb(arguments.command, arguments.adb)
    if arguments.command is not None:
        return Command(arguments.command, arguments.device or "")
    return ThisMachine()
