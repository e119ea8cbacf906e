"""The example of an own space and an own model, installed and found as a user's would be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUITE, USE = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/own_space.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example into a folder of its own and return it."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(ROOT / "examples/own_space", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(folder / "site"), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _python(installed: Path, *arguments: str) -> str:
    path = os.pathsep.join([str(installed / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_find_it(installed: Path) -> None:
    shown = _python(installed, "-m", "nas", "spaces", "show", "own_space", "--option", "classes=3")
    assert "own_space: 324 architectures" in shown
    assert "width_1: 16, 24, 32" in shown
    assert "classes = 3" in shown
    shown = _python(installed, "-m", "nas", "spaces", "show", "own_model")
    assert "width_1_conv1: 8, 16, 24, 32" in shown


def test_it_conforms(installed: Path) -> None:
    (installed / "test_own.py").write_text(SUITE, encoding="utf-8")
    shown = _python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py")
    assert re.search(r"\d\d passed", shown)
    assert "skipped" not in shown


def test_the_model_of_the_documentation_is_shrunk(installed: Path) -> None:
    (installed / "use.py").write_text(USE, encoding="utf-8")
    assert re.match(r"[\d,]+ networks of [\d,]+ to [\d,]+ MACs\n", _python(installed, "use.py"))


def test_the_excerpts_are_the_example() -> None:
    """What the page quotes of the configuration is in it."""
    page = (ROOT / "docs/own_space.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^    (\[project\.entry.*|own_space = .*)$", page, re.MULTILINE)
    assert len(quoted) == 2
    announced = (ROOT / "examples/own_space/pyproject.toml").read_text(encoding="utf-8")
    assert all(line in announced.splitlines() for line in quoted)
