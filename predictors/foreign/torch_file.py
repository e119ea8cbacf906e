"""Files of torch that others wrote: read without running code."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from search_spaces.errors import NasError

__all__ = ["load_plain"]


def load_plain(path: Path, *, error: type[NasError], advice: str) -> Any:
    """Return what a file of torch holds; nothing in it can execute code.

    Beside plain values it may hold an `argparse.Namespace`, an inert record of the options of
    a training, as many training scripts store it.

    Args:
        path: The file.
        error: What is raised when it cannot be read.
        advice: What to do then, as a sentence.
    """
    import torch

    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise error(f"Cannot read {path}: {problem.strerror}.") from problem
    except Exception as problem:  # torch raises many kinds for a damaged or unsafe file
        reason = " ".join(str(problem).split())
        raise error(
            f"{path} is damaged or no checkpoint of plain tensors ({reason:.160}). {advice}"
        ) from problem
