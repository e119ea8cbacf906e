"""The OpenSSH client: commands on another machine, and files to it, with clear errors."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictors.errors import ConnectionLostError, MeasurementError, TableError
from search_spaces.progress import Progress

__all__ = ["Ssh"]

_LOST = 255
"""Exit code of ssh itself; any other one is the remote command's."""
_ALWAYS = ("BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4")


@dataclass(frozen=True, slots=True)
class Ssh:
    """How a machine is reached. Never asks: a password or an unknown host key is an error.

    Attributes:
        host: ``USER@HOST``, or a name of the client's configuration.
        port: Of the server; None leaves it to the client's configuration.
        identity: Private key; None likewise.
        options: Further options of the client, as ``NAME=VALUE``.

    Raises:
        MeasurementError: ``host`` is no name of a machine.
    """

    host: str
    port: int | None = None
    identity: Path | None = None
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.host.strip() or self.host.startswith("-"):
            raise MeasurementError(f"A host is USER@HOST, got {self.host!r}.")

    def _command(self, remote: str) -> list[str]:
        words = ["ssh", "-T"]
        if self.port is not None:
            words += ["-p", str(self.port)]
        if self.identity is not None:
            words += ["-i", str(self.identity), "-o", "IdentitiesOnly=yes"]
        for option in (*self.options, *_ALWAYS):  # the client keeps the first of each
            words += ["-o", option]
        return [*words, "--", self.host, remote]

    def _start(self, remote: str, *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
        command = self._command(remote)
        try:
            return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
        except OSError as error:
            raise MeasurementError(
                f"Cannot run the OpenSSH client `ssh`: {error.strerror}. Install it."
            ) from error

    def run(self, remote: str) -> bytes:
        """Run a command there and return what it prints.

        Raises:
            MeasurementError: It fails, or the host refuses us.
            ConnectionLostError: The connection broke.
        """
        process = self._start(remote, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        output, errors = process.communicate()
        self._check(process.returncode, errors)
        return output

    def lines(self, remote: str) -> Iterator[str]:
        """Run a command there and yield the lines it prints, as they come.

        Raises:
            MeasurementError: It fails, or the host refuses us.
            ConnectionLostError: The connection broke.
        """
        process = self._start(remote, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                yield line.decode(errors="replace").rstrip("\n")
            errors = process.stderr.read()
            self._check(process.wait(), errors)
        finally:
            process.kill()
            process.wait()

    def send(self, files: Sequence[tuple[str, Path]], folder: str, *, progress: Progress) -> None:
        """Copy files to a folder there, which is made if it is missing.

        Args:
            files: Name under the folder, and the file here.
            folder: There.
            progress: Told how many files are sent.

        Raises:
            TableError: There is no room.
            MeasurementError: They cannot be written, or the host refuses us.
            ConnectionLostError: The connection broke; what arrived whole is not sent again.
        """
        there = shlex.quote(folder)
        process = self._start(
            f"mkdir -p {there} && tar -xf - -C {there}",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        try:
            with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
                for done, (name, path) in enumerate(files):
                    progress(done, len(files), f"copying {name} to {self.host}")
                    data = path.read_bytes()
                    entry = tarfile.TarInfo(name)
                    entry.size, entry.mode = len(data), 0o644
                    archive.addfile(entry, io.BytesIO(data))
        except BrokenPipeError:
            pass  # the other end says why
        # `communicate` closes the input and collects what the other end says.
        _, errors = process.communicate()
        if process.returncode not in (0, _LOST) and b"No space left" in errors:
            raise TableError(
                f"{self.host} has no room left in {folder}. Free some, or choose another place "
                "with --folder; what was copied or measured is kept."
            )
        self._check(process.returncode, errors)

    def _check(self, code: int, errors: bytes) -> None:
        """Turn a failure into an error that says what to do."""
        if code == 0:
            return
        said = errors.decode(errors="replace").strip()
        last = said.splitlines()[-1] if said else f"exit code {code}"
        if code == 127:
            raise MeasurementError(
                f"{self.host}: {last}. Name a Python that is there with --python, for example "
                "/opt/venv/bin/python3."
            )
        if code > 0 and code != _LOST:
            raise MeasurementError(f"{self.host}: {last.removeprefix('error: ')}")
        for sign, advice in _REFUSALS.items():
            if sign in said:
                raise MeasurementError(f"{self.host} cannot be reached: {last}. {advice}")
        raise ConnectionLostError(
            f"The connection to {self.host} was lost: {last}. What is measured there goes on; run "
            "the same command again to follow it. What was measured is kept."
        )


_REFUSALS = {
    "Permission denied": "The host refuses the key: name one with --identity, and add its public "
    "half to ~/.ssh/authorized_keys there (ssh-copy-id).",
    "Host key verification failed": "The host is not known: connect once by hand (ssh), compare "
    "its key, and accept it.",
    "Could not resolve hostname": "Check the spelling of the host.",
    "Connection refused": "Is an SSH server running there? Check --port.",
    "timed out": "Is the device switched on and in this network?",
    "No route to host": "Is the device switched on and in this network?",
    "Identity file": "Check --identity.",
}
