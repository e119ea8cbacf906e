"""``nas teacher store CONFIG``."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import read_config
from nas.problems import space_of
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    store = commands.add_parser(
        "store", help="write a trained network's answers to the images of a training"
    )
    store.add_argument("config", metavar="CONFIG", type=Path, help="of the training to be taught")
    store.add_argument("--run", metavar="RUN", type=Path, required=True, help="a trained run")
    store.add_argument("--id", metavar="ID", help="a subnet of it; by default the largest")
    store.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where to")
    store.add_argument("--top", type=int, default=10, help="classes kept for each image (10)")
    store.add_argument("--epochs", type=int, help="epochs to store; by default all of CONFIG's")
    store.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="change one value of CONFIG",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    config = read_config(arguments)
    splits = pipeline.load_splits(config, space_of(config), ProgressBar)
    stored = pipeline.teacher_stage(
        RunFolder.open(arguments.run),
        config,
        splits,
        arguments.out,
        id=arguments.id,
        top=arguments.top,
        epochs=arguments.epochs,
        bars=ProgressBar,
    )
    images = int(stored.about["images_per_epoch"])
    print(
        f"stored: {stored.folder}\n"
        f"{stored.epochs} epochs of {images:,} images, {stored.bytes_per_image_and_epoch:.1f} "
        f"bytes per image and epoch\n"
        f'next: nas train {arguments.config} --set train.stored_teacher.path="{stored.folder}"'
    )
