"""Options that several commands share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError

if TYPE_CHECKING:
    from search_spaces import Architecture, SearchSpace

__all__ = [
    "add_architecture",
    "add_json",
    "add_keep",
    "add_space",
    "chosen_architecture",
    "chosen_space",
    "parse_options",
    "refuse_space",
]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_space(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """Add the choice of a search space and its options."""
    if positional:
        parser.add_argument("space", metavar="NAME", nargs="?", help="name of a search space")
    else:
        parser.add_argument("--space", metavar="NAME", help="name of a search space")
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="an option of the space, for example classes=10 or resolutions=[24,32]",
    )
    add_keep(parser)


def add_keep(parser: argparse.ArgumentParser) -> None:
    """Add ``--keep``, which leaves a part of a space."""
    parser.add_argument(
        "--keep",
        metavar="CHOICE=[...]",
        action="append",
        default=[],
        help="keep these options of the space's choices only, for example 'kernel_*=[3,5]'",
    )


def add_architecture(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the choice of one architecture."""
    parser.add_argument(
        "--architecture",
        metavar="FILE.json",
        required=required,
        type=Path,
        help="a JSON object choice -> option, or an exported architecture.json",
    )


def chosen_architecture(arguments: argparse.Namespace) -> tuple[SearchSpace, Architecture]:
    """Return the architecture that ``--architecture`` names, and its space.

    An exported file names its space itself, where ``--space`` does not.

    Raises:
        ConfigError: No architecture or no space is named.
        SpaceError: The file is no architecture of the space.
    """
    from search_spaces import get_space, read_architecture

    path: Path | None = arguments.architecture
    if path is None:
        raise ConfigError("Name an architecture: --architecture FILE.json.")
    architecture = read_architecture(path)
    origin = None if arguments.space else json.loads(path.read_text("utf-8")).get("space")
    if isinstance(origin, dict) and "name" in origin:
        space = get_space(origin["name"], **origin.get("options", {}))
    else:
        space = chosen_space(arguments)
    space.encode(architecture)
    return space, architecture


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` pairs as a dict; values are TOML, bare words are strings.

    Raises:
        ConfigError: A pair has no ``=``.
    """
    from nas.config import parse_value

    options = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"An option must be KEY=VALUE, got {pair!r}.")
        options[key] = parse_value(text)
    return options


def refuse_space(arguments: argparse.Namespace, namer: str) -> None:
    """Refuse the choice of a space beside something that names one itself.

    Args:
        arguments: Of `add_space`.
        namer: What names the space.

    Raises:
        ConfigError: A space, an option or a part of it is given.
    """
    if arguments.space or arguments.option or arguments.keep:
        raise ConfigError(f"{namer} names the space; leave out --space, --option and --keep.")


def chosen_space(arguments: argparse.Namespace) -> SearchSpace:
    """Return the space that ``--space`` and ``--option`` name, or what ``--keep`` leaves of it.

    Raises:
        ConfigError: No space was named.
        SpaceError: It does not exist, or an option is wrong.
    """
    from search_spaces import get_space, list_spaces

    if not arguments.space:
        raise ConfigError(f"Name a search space: {', '.join(list_spaces())}.")
    space = get_space(arguments.space, **parse_options(arguments.option))
    return space.restrict(parse_options(arguments.keep)) if arguments.keep else space
