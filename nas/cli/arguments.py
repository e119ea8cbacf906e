"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from nas.errors import ConfigError

if TYPE_CHECKING:
    from search_spaces import SearchSpace

__all__ = ["add_json", "add_space", "chosen_space", "parse_options"]


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


def chosen_space(arguments: argparse.Namespace) -> SearchSpace:
    """Return the space that ``--space`` and ``--option`` name.

    Raises:
        ConfigError: No space was named.
        SpaceError: It does not exist, or an option is wrong.
    """
    from search_spaces import get_space, list_spaces

    if not arguments.space:
        raise ConfigError(f"Name a search space: {', '.join(list_spaces())}.")
    return get_space(arguments.space, **parse_options(arguments.option))
