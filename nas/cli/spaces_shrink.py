"""``nas spaces shrink``: what evidence and windows on costs speak against, and what remains."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nas.archive import Archive, Evaluated
from nas.cli.arguments import add_keep, chosen_space, parse_options
from nas.cli.output import print_json
from nas.config import load_config, parse_limit
from nas.errors import ConfigError, nearest
from nas.files import atomic_write
from nas.problems import compiled_costs, network_space, space_of
from nas.runs import RunFolder
from nas.shrinking import Band, Evidence, gather, outside, remaining, worse
from nas.text import columns
from predictors import CostTable
from search_spaces import Option, SearchSpace
from search_spaces.ensemble import EnsembleSpace
from search_spaces.restriction import options_left

__all__ = ["configure", "run"]

_BAND = re.compile(r"\s*(\w+)\s*(?:/\s*(\w+)\s*)?=\s*(.+?)\s*\.\.\s*(.+?)\s*")
_RATIO = ("macs", "params")


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "space", metavar="WHAT", help="a run folder, a configuration or the name of a space"
    )
    parser.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[], help="an option of a space"
    )
    add_keep(parser)
    parser.add_argument(
        "--within",
        metavar="METRIC=LOW..HIGH",
        action="append",
        default=[],
        help="keep what can lie there: macs=2M..4M, or a ratio: macs/params=20..40",
    )
    parser.add_argument(
        "--metric", default="accuracy", help="what the evidence of a run is about (accuracy)"
    )
    parser.add_argument(
        "--cost", default="macs", help="the cost at which options are compared (macs)"
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.95,
        help="with which a dropped option is worse, all options together (0.95)",
    )
    parser.add_argument("--out", metavar="FILE.toml", type=Path, help="write the section to keep")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.space) if Path(arguments.space).is_dir() else None
    networks = _networks(arguments, folder)
    single = networks.base if isinstance(networks, EnsembleSpace) else networks
    given = single.restrict(parse_options(arguments.keep))
    costs = compiled_costs(given, {})
    bands = [_band(text, costs) for text in arguments.within]
    evidence, ratio = ([], None) if folder is None else _evidence(arguments, folder, networks)
    dropped = outside(given, bands)
    against = worse(evidence)
    kept = options_left(given, single)
    kept |= _kept(given, dropped, against)
    shrunk = networks.restrict(kept)
    found = {
        "space": networks.name,
        "size": networks.size,
        "keep": kept,
        "remaining": shrunk.size,
        "fraction": float(Fraction(shrunk.size, networks.size)),
        "evidence": [_plain(entry) for entry in evidence],
        "outside": dropped,
        "within": [_counted(band, given.size) for band in bands],
        "best_tenth": None if ratio is None else _counted(_ratio_band(ratio, costs), given.size),
    }
    if arguments.out is not None:
        atomic_write(arguments.out, _section(kept))
    if arguments.json:
        print_json(found)
    else:
        _print(found, evidence)


def _networks(arguments: argparse.Namespace, folder: RunFolder | None) -> SearchSpace:
    """Return the space of what is searched: of a run, of a configuration, or the named one."""
    if folder is not None:
        return network_space(folder.config)
    if arguments.space.endswith(".toml"):
        return space_of(load_config(arguments.space))
    return chosen_space(arguments).whole


def _band(text: str, costs: Mapping[str, CostTable]) -> Band:
    """Read a window such as ``macs=2M..4M`` or ``macs/params=20..40``.

    Raises:
        ConfigError: It has another form, or names no cost.
    """
    match = _BAND.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"within {text!r}: write METRIC=LOW..HIGH, for example macs=2M..4M or "
            "macs/params=20..40."
        )
    for metric in (match[1], match[2] or match[1]):
        if metric not in costs:
            raise ConfigError(f"within {text!r}: no such cost. {nearest(metric, costs)}")
    cost = costs[match[1]]
    if match[2] is not None:
        return Band(cost, _fraction(text, match[3]), _fraction(text, match[4]), costs[match[2]])
    largest = cost.maximum().value
    low, high = (parse_limit(match[1], match[end]).resolve(largest) for end in (3, 4))
    return Band(cost, Fraction(low), Fraction(high))


def _ratio_band(ends: tuple[float, float], costs: Mapping[str, CostTable]) -> Band:
    """Return the band of the ratio of costs that holds both ends, to a thousandth."""
    low = Fraction(math.floor(1000 * ends[0]), 1000)
    high = Fraction(math.ceil(1000 * ends[1]), 1000)
    return Band(costs[_RATIO[0]], low, high, costs[_RATIO[1]])


def _fraction(text: str, number: str) -> Fraction:
    try:
        return Fraction(number)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f"within {text!r}: {number!r} is no number. A ratio is written as 25 or 25.5."
        ) from error


def _evidence(
    arguments: argparse.Namespace, folder: RunFolder, space: SearchSpace
) -> tuple[list[Evidence], tuple[float, float] | None]:
    """Return what the archive of a run says of options, and the best tenth's MACs to parameters.

    The ratio is that of subnets; of ensembles there is none.

    Raises:
        ConfigError: Nothing evaluated has the metric or the cost, or there is too little.
        RunError: Nothing was searched yet.
    """
    with Archive.read(folder.archive_path) as archive:
        rows = archive.rows()
    names = {name for row in rows for name in row.metrics}
    for metric in (arguments.metric, arguments.cost):
        if metric not in names:
            raise ConfigError(
                f"No evaluation in {folder.path} has {metric!r}. {nearest(metric, names)}"
            )
    wanted = {arguments.metric, arguments.cost}
    rows = [row for row in rows if wanted <= row.metrics.keys()]
    values = _column(rows, arguments.metric)
    is_ensemble = isinstance(space, EnsembleSpace)
    found = gather(
        space,
        space.encode_all(row.architecture for row in rows),
        values,
        _column(rows, arguments.cost),
        diversity=_column(rows, "diversity") if is_ensemble else None,
        confidence=arguments.confidence,
    )
    if is_ensemble:
        return found, None
    best = np.argsort(-values, kind="stable")[: max(len(rows) // 10, 1)]
    ratios = (_column(rows, _RATIO[0]) / _column(rows, _RATIO[1]))[best]
    return found, (float(ratios.min()), float(ratios.max()))


def _column(rows: Sequence[Evaluated], metric: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([row.metrics[metric].value for row in rows])


def _kept(
    space: SearchSpace,
    proved: Mapping[str, Sequence[Option]],
    against: Mapping[str, Sequence[Option]],
) -> dict[str, list[Option]]:
    """Return what to keep where options are dropped by proof or by evidence.

    Where nothing would be left of a choice only the proof counts.
    """
    both = {
        name: [*proved.get(name, ()), *against.get(name, ())] for name in {**proved, **against}
    }
    by_proof = remaining(space, proved)
    kept = {
        name: options or by_proof.get(name, []) for name, options in remaining(space, both).items()
    }
    return {name: options for name, options in kept.items() if options}


def _plain(entry: Evidence) -> dict[str, Any]:
    return {
        "choice": entry.choice,
        "option": entry.option,
        "evaluations": entry.evaluations,
        "best": entry.best,
        "loss": entry.loss,
        "standard_error": entry.error,
        "diversity": entry.diversity,
        "diversity_standard_error": entry.diversity_error,
        "worse": entry.is_worse,
    }


def _counted(band: Band, total: int) -> dict[str, Any]:
    count = band.count()
    low, high = count.of(total)
    return {
        "window": str(band),
        "architectures": [count.low, count.high],
        "fraction": [float(low), float(high)],
        "exact": count.exact,
    }


def _section(kept: Mapping[str, Sequence[Option]]) -> str:
    """Return the options to keep as a section of a configuration."""
    lines = [f"{json.dumps(name)} = {json.dumps(list(kept[name]))}" for name in kept]
    return "\n".join(["[search.keep]", *lines]) + "\n"


def _print(found: Mapping[str, Any], evidence: Sequence[Evidence]) -> None:
    print(f"{found['space']}: {found['size']:,} networks")
    if evidence:
        print("\nworse than the best option of the choice, at equal cost\n")
        rows = [_row(entry) for entry in evidence if entry.option != entry.best]
        print(columns(("choice", "option", "best", "loss", "± error", "seen", "verdict"), rows))
    if found["best_tenth"] is not None:
        print(f"\nthe best tenth of the evaluated has {_said(found['best_tenth'])}")
    for window in found["within"]:
        print(f"\n{_said(window)}")
    for name, options in found["outside"].items():
        print(f"no network there has {name} = {', '.join(map(str, options))}")
    if not found["keep"]:
        print("\nnothing to drop")
        return
    print(f"\n{_section(found['keep'])}")
    print(f"remaining: {found['remaining']:,} networks, {found['fraction']:.4g} of the space")


def _said(window: Mapping[str, Any]) -> str:
    """Return a window and the share of the networks in it, in words."""
    low, high = window["fraction"]
    share = f"exactly {low:.4%}" if window["exact"] else f"{low:.4%} to {high:.4%}"
    return f"{window['window']}: {share} of the networks"


def _row(entry: Evidence) -> tuple[str, ...]:
    numbers = (f"{entry.loss:+.4f}", f"{entry.error:.4f}", str(entry.evaluations))
    verdict = "drop" if entry.is_worse else "keep"
    return (entry.choice, str(entry.option), str(entry.best), *numbers, verdict)
