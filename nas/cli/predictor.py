"""``nas predictor fit`` and ``nas predictor show``."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.arguments import add_json, add_space, chosen_space
from nas.cli.output import print_json
from nas.errors import ConfigError
from nas.measured import measured_in_archive, measured_in_file
from predictors.learned import (
    SUM_OF_PRICES,
    LearnedPredictor,
    fit,
    load_predictor,
    save_predictor,
)

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("action", choices=("fit", "show"), help="fit a predictor, or show one")
    parser.add_argument(
        "source",
        metavar="ARCHIVE.sqlite|NETS.json|PREDICTOR.npz",
        type=Path,
        help='fit: a run\'s archive, or a list of {"architecture": {...}, METRIC: value}; '
        "show: a predictor",
    )
    add_space(parser)
    parser.add_argument(
        "--metric", metavar="NAME", default="accuracy", help="what to predict (accuracy)"
    )
    parser.add_argument(
        "--device", metavar="NAME", default="", help="what the networks were measured on"
    )
    parser.add_argument(
        "--model",
        choices=("best", "additive"),
        default="best",
        help="what to fit: the best of several by cross-validation, or additive, one sum of "
        "prices of layers, which a run can limit (best)",
    )
    parser.add_argument("--out", metavar="PREDICTOR.npz", type=Path, help="file to write")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.action == "fit":
        predictor = _fit(arguments)
        path = arguments.out or Path(f"{predictor.space.name}.{predictor.metric}.npz")
        save_predictor(predictor, path)
        if not arguments.json:
            print(f"wrote {path}\n")
    else:
        predictor = load_predictor(arguments.source)
    if arguments.json:
        print_json(
            {
                "space": predictor.space.name,
                "metric": predictor.metric,
                "provenance": predictor.provenance.to_json(),
                **predictor.figures,
            }
        )
    else:
        print(_text(predictor))


def _fit(arguments: argparse.Namespace) -> LearnedPredictor:
    """Fit a predictor on what an archive or a file holds."""
    source, metric = arguments.source, arguments.metric
    if not source.is_file():
        raise ConfigError(f"{source} is no file. Name a run's archive or a JSON list of networks.")
    if source.suffix == ".json":
        space = chosen_space(arguments)
        found = measured_in_file(source, space, metric, device=arguments.device)
    else:
        found = measured_in_archive(source, metric)
    return fit(
        found.space,
        found.population,
        found.values,
        metric=metric,
        provenance=found.provenance,
        candidates=[SUM_OF_PRICES] if arguments.model == "additive" else None,
    )


def _text(predictor: LearnedPredictor) -> str:
    figures = predictor.figures
    lines = [
        f"{predictor.metric} of {predictor.space.name}, {predictor.provenance}",
        f"  fitted on {figures['networks']} networks, "
        f"{figures['constant_networks_left_out']} that compute a constant left out",
        f"  averages {'; '.join(figures['averaged'])}",
        f"  held out in cross-validation: Spearman {figures['spearman']:.3f}, Kendall "
        f"{figures['kendall']:.3f}, RMSE {figures['rmse']:.4g}",
    ]
    return "\n".join(lines)
