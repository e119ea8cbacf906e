"""Every `nas` command in the README is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from nas.cli.main import parse
from nas.config import load_config

ROOT = Path(__file__).resolve().parents[1]


def _commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    (nas .+?)(?:\s{2,}#.*)?$", text, flags=re.MULTILINE)
    quick = re.findall(r"\.venv/bin/(nas .+)$", text, flags=re.MULTILINE)
    return [*lines, *quick]


def test_the_readme_shows_commands() -> None:
    assert len(_commands()) >= 8


@pytest.mark.parametrize("command", _commands())
def test_a_command_is_understood(command: str) -> None:
    _, *arguments = shlex.split(command, comments=True)
    module, namespace = parse(arguments)
    assert callable(module.run)
    config = getattr(namespace, "config", None)
    if config is not None:
        assert load_config(ROOT / config, namespace.overrides).search.limits


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem)
def test_the_examples_can_meet_their_limits(path: Path) -> None:
    from nas.pipeline import check_limits
    from nas.problems import build_problem, space_of

    config = load_config(path)
    check_limits(config, build_problem(config, space_of(config), None))
