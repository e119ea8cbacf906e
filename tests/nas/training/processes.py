"""Training in several processes on this machine, as torchrun would start it."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch

from nas.cli import main
from nas.errors import NasError
from nas.runs import RunFolder
from nas.world import joined_world
from tests.nas.training.jobs import train_run


def server() -> ForkServerContext:
    """Return what starts processes that have torch imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.nas.training.processes"])
    return context


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def start(
    count: int, work: Callable[..., Any], *arguments: Any
) -> list[multiprocessing.context.ForkServerProcess]:
    """Start `work(path, ...)` in several processes that find each other."""
    port = free_port()
    started = [
        server().Process(target=_member, args=(rank, count, port, work, arguments))
        for rank in range(count)
    ]
    for process in started:
        process.start()
    return started


def together(count: int, work: Callable[..., Any], *arguments: Any) -> list[int | None]:
    """Run `work(*arguments)` in several processes to its end and return their exit codes."""
    started = start(count, work, *arguments)
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def _member(
    rank: int, count: int, port: int, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    sys.stderr = log_of(arguments[0]).open("a", buffering=1)
    try:
        work(*arguments)
    except NasError as error:
        print(f"process {rank}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def log_of(path: Path) -> Path:
    """Return the file that takes what the processes of a run say on stderr."""
    return path.with_suffix(".log")


def train_together(path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Train a run as one of several processes."""
    torch.set_default_dtype(dtype)
    with joined_world() as world:
        run = RunFolder.open(path)
        if not world.is_first:
            train_run(run, world=world)
            return
        with run.lock():
            train_run(run, world=world)


def command_line(path: Path, *arguments: str) -> None:
    """Run ``nas``, as one of several processes."""
    sys.exit(main([*arguments, "--out", str(path)]))
