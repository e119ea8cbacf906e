"""What a device is: enough to tell whether a table was measured on a machine like this one."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

from predictors.errors import MeasurementError
from predictors.latency.fields import Fields

__all__ = ["Device", "device_identity", "device_of", "same_device", "usable_cores"]

_SIMD = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_tile",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
    "sve2",
)
_COMPARED = ("cpu", "cores", "machine", "system", "simd", "accelerator")


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """A machine that networks run on.

    Attributes:
        cpu: Model of the processor, or of the board where that is all that is known.
        cores: Logical processors; 0 where that is not known.
        machine: Instruction set, for example ``x86_64`` or ``aarch64``.
        system: Kernel, for example ``Linux``.
        simd: The vector extensions that kernels choose their code by.
        os: Operating system with version; kept for the reader, not compared.
        accelerator: What the network runs on when it is not the CPU.
        clocks: Range of the processor's clock and its governor, where they can be read; kept
            for the reader, not compared.
    """

    cpu: str
    cores: int
    machine: str
    system: str
    simd: tuple[str, ...] = ()
    os: str = ""
    accelerator: str = ""
    clocks: str = ""

    @classmethod
    def from_json(cls, fields: Fields) -> Device:
        """Read the fields.

        Raises:
            TableError: One is missing or of the wrong type.
        """
        return cls(
            fields.text("cpu"),
            fields.integer("cores"),
            fields.text("machine"),
            fields.text("system"),
            fields.texts("simd"),
            fields.text("os"),
            fields.text("accelerator"),
            fields.text("clocks"),
        )

    @classmethod
    def named(cls, name: str) -> Device:
        """Return a device of which no more than a name is known.

        Raises:
            MeasurementError: There is no name.
        """
        if not name.strip():
            raise MeasurementError(
                "A command tells nothing about the device it measures on. Name it with --device, "
                "for example --device 'Cortex-M55 board 3'."
            )
        return cls(name.strip(), 0, "", "")

    def differences(self, other: Device) -> list[str]:
        """Return what tells two devices apart, as ``cores 8 against 4``; empty if nothing."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in _COMPARED)
        return [f"{name} {_text(a)} against {_text(b)}" for name, a, b in pairs if a != b]

    def __str__(self) -> str:
        what = f"{self.accelerator}, {self.cpu}" if self.accelerator else self.cpu
        known = [f"{self.cores} cores" if self.cores else "", self.machine, self.system]
        return ", ".join([what, *filter(None, known)])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value) or "none"
    return repr(value)


def same_device(first: Device, second: Device) -> bool:
    """Return whether latencies measured on one hold for the other."""
    return not first.differences(second)


def usable_cores() -> int:
    """Return how many processors this process may use; a container may allow it fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=4)
def device_identity(accelerator: str = "") -> Device:
    """Return this machine.

    Args:
        accelerator: What networks run on when it is not the CPU, by `Runtime.accelerator`.
    """
    board = _read(Path("/proc/device-tree/model")).strip("\0 \n")
    cpuinfo = _read(Path("/proc/cpuinfo"))
    return dataclasses.replace(
        device_of(
            cpuinfo,
            board=board or ("" if cpuinfo else _sysctl() or platform.processor()),
            machine=platform.machine(),
            system=platform.system(),
            os=platform.platform(),
        ),
        cores=os.cpu_count() or 1,
        accelerator=accelerator,
        clocks=_clocks(Path("/sys/devices/system/cpu")),
    )


def device_of(cpuinfo: str, *, board: str, machine: str, system: str, os: str) -> Device:
    """Return a device by what its system says.

    Args:
        cpuinfo: Contents of Linux's ``/proc/cpuinfo``; empty where there is none.
        board: Name of the board or the product, where there is one.
        machine: Instruction set.
        system: Kernel.
        os: Operating system with version.
    """
    fields: dict[str, str] = {}
    cores = 0
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
            cores += name.strip() == "processor"
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return Device(
        cpu=_cpu_name(fields, board),
        cores=cores,
        machine=machine,
        system=system,
        simd=tuple(name for name in _SIMD if name in flags),
        os=os,
    )


def _read(path: Path) -> str:
    """Return a file's text; empty where the system has no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _clocks(folder: Path) -> str:
    """Return the clocks of the processors, for example ``0.6-1.5 GHz, ondemand``."""
    found = set()
    for frequencies in folder.glob("cpu[0-9]*/cpufreq"):
        try:
            low, high, governor = (
                (frequencies / name).read_text(encoding="utf-8").strip()
                for name in ("scaling_min_freq", "scaling_max_freq", "scaling_governor")
            )
            found.add(f"{int(low) / 1e6:.1f}-{int(high) / 1e6:.1f} GHz, {governor}")
        except (OSError, ValueError):
            continue
    return "; ".join(sorted(found))


def _cpu_name(fields: dict[str, str], board: str) -> str:
    """Return the most telling name of the processor that the system gives."""
    part = " ".join(fields[key] for key in ("CPU implementer", "CPU part") if key in fields)
    names = (fields.get("model name", ""), board, part and f"CPU {part}")
    return next((name for name in names if name), "unknown processor")


def _sysctl() -> str:
    """Return the processor's name on macOS, nothing elsewhere."""
    if platform.system() != "Darwin":
        return ""
    try:
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
