"""The engine's own Python environment: its pins fit no other package's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from predictors.errors import MeasurementError

__all__ = [
    "PINS",
    "engine_python",
    "environment_folder",
    "install_engine",
    "installed_engine",
]

PINS = ("spu==0.9.5", "numpy<2", "jax==0.4.34", "jaxlib==0.4.34")
"""SPU's newest release with wheels; it needs numpy 1 and jax of at most 0.4.34."""

_VARIABLE = "NAS_SPU_PYTHON"
_VERSIONS = ((3, 10), (3, 11))
_READY = "ready"


def environment_folder() -> Path:
    """Return where the environment lies: in the user's cache, shared by all runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "subnet-search" / PINS[0].replace("==", "-")


def engine_python() -> Path | None:
    """Return the engine's interpreter; None where it is not installed yet.

    The environment variable ``NAS_SPU_PYTHON`` may name one that has the engine.

    Raises:
        MeasurementError: The variable names no file.
    """
    if named := os.environ.get(_VARIABLE):
        if not Path(named).is_file():
            raise MeasurementError(
                f"{_VARIABLE} names {named}, which is no file. Set it to the Python of an "
                f"environment with {', '.join(PINS)}, or unset it."
            )
        return Path(named)
    folder = environment_folder()
    return folder / "bin" / "python" if (folder / _READY).is_file() else None


def installed_engine() -> Path:
    """Return the engine's interpreter.

    Raises:
        MeasurementError: It is not installed.
    """
    if python := engine_python():
        return python
    raise MeasurementError(
        f"The private engine ({PINS[0]}) is not installed. Install it into an environment of its "
        f"own, 0.7 GB, by: nas mpc setup. Or set {_VARIABLE} to the Python of one that has it."
    )


def install_engine() -> Path:
    """Create the engine's environment and return its interpreter; it takes about 0.7 GB.

    Raises:
        MeasurementError: No Python of a fitting version is found, or the installation fails.
    """
    if python := engine_python():
        return python
    folder = environment_folder()
    shutil.rmtree(folder, ignore_errors=True)
    commands = (
        [_base_python(), "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PINS],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()
            raise MeasurementError(
                f"The engine could not be installed into {folder}: "
                f"{reason[-1] if reason else 'no message'}. Command: {' '.join(command)}"
            )
    (folder / _READY).touch()
    return folder / "bin" / "python"


def _base_python() -> str:
    """Return an interpreter that the engine has wheels for."""
    if sys.version_info[:2] in _VERSIONS:
        return sys.executable
    for major, minor in reversed(_VERSIONS):
        if found := shutil.which(f"python{major}.{minor}"):
            return found
    wanted = " or ".join(f"{major}.{minor}" for major, minor in _VERSIONS)
    raise MeasurementError(
        f"{PINS[0]} has wheels for Python {wanted} only, and this is Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}. Install one of them beside it, or set "
        f"{_VARIABLE} to the Python of an environment that has the engine."
    )
