"""How ``torchrun`` started this process, read from its environment variables; needs no torch."""

from __future__ import annotations

import os
import socket

__all__ = ["launcher", "processes", "rank", "restarted"]


def processes() -> int:
    """Return in how many processes the command runs."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of them this is, from 0."""
    return int(os.environ.get("RANK", "0"))


def launcher() -> str:
    """Return who started the processes, the same over restarts; nothing without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ""
    name = os.environ["TORCHELASTIC_RUN_ID"]
    return f"torchrun {name}, process {os.getppid()} on {socket.gethostname()}"


def restarted() -> bool:
    """Return whether torchrun started the processes again, after one of them was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
