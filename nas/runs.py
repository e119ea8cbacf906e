"""Run folders: everything one run leaves on disk, enough to resume, audit and report it."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import platform
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Self

from nas.config import Config, parse_config
from nas.errors import RunError, nearest
from nas.files import atomic_write, remove_leftovers, write_error
from nas.headers import refuse_foreign
from nas.json_files import append_line, read_lines, read_object
from nas.launch import launcher

__all__ = ["RunFolder", "StageState"]

StageState = Literal["running", "done", "failed", "interrupted"]

FORMAT = 1
_KIND = "nas run folder"
_PACKAGES = ("subnet-search", "numpy", "torch", "pydantic", "safetensors", "onnx", "onnxruntime")


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Reading needs no lock; whoever writes holds `lock`.

    Attributes:
        path: The folder.
        config: The resolved configuration that the run was created with.
    """

    path: Path
    config: Config

    @classmethod
    def create(
        cls, path: Path | str, config: Config, *, command: Sequence[str] | None = None
    ) -> Self:
        """Make a new run folder.

        Args:
            path: A folder that does not exist or is empty.
            config: What the run does.
            command: The command that started it; by default this process's.

        Raises:
            RunError: The path is taken or not writable, or the disk is full.
        """
        path = Path(path)
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise _taken(path)
        about = {
            "kind": _KIND,
            "format": FORMAT,
            "created": _now(),
            "command": list(sys.argv if command is None else command),
            "launcher": launcher(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": _versions(),
        }
        new = path.with_name(f".new-{secrets.token_hex(4)}-{path.name}")
        try:
            for folder in (new, new / "checkpoints", new / "exports"):
                folder.mkdir(parents=True)
            atomic_write(new / "config.json", _text(config.to_json()))
            atomic_write(new / "run.json", _text(about))
            new.rename(path)  # whole or not at all; fails where another process was first
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            raise _taken(path) if taken else write_error(path, error) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return cls(path, config)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open an existing run folder.

        Raises:
            RunError: It is missing, no run folder, of a newer format, or damaged.
        """
        path = Path(path)
        if not path.is_dir():
            beside = path.absolute().parent
            runs = [entry.parent.name for entry in beside.glob("*/run.json")]
            raise RunError(f"run folder {path} does not exist. {nearest(path.name, runs)}")
        if not (path / "run.json").is_file():
            raise RunError(f"{path} is no run folder, it has no run.json. Give a run's folder.")
        about = read_object(path / "run.json")
        refuse_foreign(about, path, kind=_KIND, format=FORMAT, error=RunError)
        config = path / "config.json"
        return cls(path, parse_config(read_object(config), source=str(config)))

    def with_config(self, config: Config) -> Self:
        """Return the run with another configuration, which config.json holds from now on.

        Raises:
            RunError: The disk is full or the folder not writable.
        """
        atomic_write(self.path / "config.json", _text(config.to_json()))
        return type(self)(self.path, config)

    @property
    def checkpoints(self) -> Path:
        """The folder of training checkpoints."""
        return self.path / "checkpoints"

    @property
    def exports(self) -> Path:
        """The folder of exported subnets."""
        return self.path / "exports"

    def finetuned(self, id: str) -> Path:
        """Return the run folder of one fine-tuned subnet."""
        return self.path / "finetuned" / id

    @property
    def archive_path(self) -> Path:
        """The database of all evaluations: of subnets, or of the ensembles that are searched."""
        ensemble = self.config.search.ensemble
        name = "archive" if ensemble is None else f"ensembles-{ensemble.members}"
        return self.path / f"{name}.sqlite"

    def worker_archive(self, worker: str) -> Path:
        """Return where one of several workers of a shared study keeps what it evaluated."""
        return self.path / "workers" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', worker)}.sqlite"

    @property
    def metrics_path(self) -> Path:
        """The log of training metrics, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def report_path(self) -> Path:
        """The report as one HTML page."""
        return self.path / "report.html"

    def latency_table(self, metric: str, *, published: bool = False) -> Path:
        """Return where the latency table that gives a cost is kept.

        Args:
            metric: Of the cost, ``latency_ms`` or ``NAME_latency_ms``.
            published: Whether the table is a YAML file.
        """
        suffix = ".lut.yaml" if published else ".lut.json"
        return self.path / (metric.removesuffix("_ms") + suffix)

    def latency_tables(self) -> list[Path]:
        """Return the latency tables in the folder, sorted by name."""
        return sorted([*self.path.glob("*.lut.json"), *self.path.glob("*.lut.yaml")])

    def about(self) -> dict[str, Any]:
        """Return run.json: when, by which command, and with which packages it was created."""
        return read_object(self.path / "run.json")

    def mark_imported(self, source: str) -> None:
        """Note in imported.json that the supernet was trained elsewhere.

        Args:
            source: Where its weights come from, for people.

        Raises:
            RunError: The disk is full or the folder not writable.
        """
        about = {"source": source, "imported": _now()}
        atomic_write(self.path / "imported.json", _text(about))

    def imported(self) -> str:
        """Return where a supernet trained elsewhere comes from, and when; else nothing.

        Raises:
            RunError: The note is damaged.
        """
        path = self.path / "imported.json"
        if not path.exists():
            return ""
        about = read_object(path)
        return f"{about['source']}, imported {str(about['imported']).partition('T')[0]}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the kernel lets go when the process ends.

        Raises:
            RunError: Another process holds it, or the folder is not writable.
        """
        handle = _acquire(self.path / "lock")
        try:
            for folder in (self.path, self.checkpoints, self.exports):
                remove_leftovers(folder)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def worker(self, name: str = "") -> Iterator[str]:
        """Hold the name of one worker of a shared study, so that no two write one archive.

        Args:
            name: The name; empty takes the first of HOST-1, HOST-2 and so on that is free,
                which a worker that is started again finds again.

        Yields:
            The name.

        Raises:
            RunError: A living worker has the name, or the folder is not writable.
        """
        for number in itertools.count(1):
            chosen = name or f"{socket.gethostname()}-{number}"
            path = self.worker_archive(chosen).with_suffix(".lock")
            path.parent.mkdir(exist_ok=True)
            try:
                handle = _acquire(path)
                break
            except RunError as error:
                if name or not isinstance(error.__cause__, BlockingIOError):
                    raise
        try:
            yield chosen
        finally:
            os.close(handle)

    def mark(self, stage: str, state: StageState, *, progress: float | None = None) -> None:
        """Note in status.json where the run stands.

        Args:
            stage: What is being done, for example ``train``.
            state: How it stands.
            progress: In [0, 1], where it is known.
        """
        stages = {**self.stages(), stage: state}
        status = {"stage": stage, "progress": progress, "updated": _now(), "stages": stages}
        atomic_write(self.path / "status.json", _text(status))

    def status(self) -> dict[str, Any]:
        """Return ``stage``, ``progress``, ``updated`` and ``stages``; empty before any mark."""
        path = self.path / "status.json"
        return read_object(path) if path.exists() else {}

    def stages(self) -> dict[str, StageState]:
        """Return the state of every stage that was begun."""
        return dict(self.status().get("stages", {}))

    def append_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Add one line to the metrics; a number that is not finite is written as null.

        Raises:
            RunError: The disk is full; the lines written before are intact.
        """
        append_line(self.metrics_path, metrics)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return all whole lines of the metrics; a line cut off at the end is ignored.

        Raises:
            RunError: A line before the end is damaged.
        """
        return read_lines(self.metrics_path)


def _acquire(path: Path) -> int:
    """Return a handle that holds the lock until it is closed or the process ends."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except OSError as error:
        holder = os.pread(handle, 400, 0).decode(errors="replace") or "another process"
        os.close(handle)
        if not isinstance(error, BlockingIOError):
            raise write_error(path, error) from error
        raise RunError(
            f"{path.parent} is in use by {holder}. Wait until it ends, or stop it first."
        ) from error
    return handle


def _taken(path: Path) -> RunError:
    return RunError(
        f"{path} exists and is not empty. Choose another name, "
        "or continue the run that is there with --resume."
    )


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Return the versions of the installed packages that results depend on, importing none."""
    versions = {}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
