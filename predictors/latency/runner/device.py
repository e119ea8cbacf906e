"""What a device is: enough to tell whether a table was measured on a machine like this one."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

from predictors.latency.fields import Fields

__all__ = ["Device", "device_identity", "same_device", "usable_cores"]

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
        cores: Logical processors.
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

    def differences(self, other: Device) -> list[str]:
        """Return what tells two devices apart, as ``cores 8 against 4``; empty if nothing."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in _COMPARED)
        return [f"{name} {_text(a)} against {_text(b)}" for name, a, b in pairs if a != b]

    def __str__(self) -> str:
        what = f"{self.accelerator}, {self.cpu}" if self.accelerator else self.cpu
        return f"{what}, {self.cores} cores, {self.machine}, {self.system}"


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
    fields = _cpuinfo(Path("/proc/cpuinfo"))
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return Device(
        cpu=_cpu_name(fields),
        cores=os.cpu_count() or 1,
        machine=platform.machine(),
        system=platform.system(),
        simd=tuple(name for name in _SIMD if name in flags),
        os=platform.platform(),
        accelerator=accelerator,
        clocks=_clocks(Path("/sys/devices/system/cpu")),
    )


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


def _cpuinfo(path: Path) -> dict[str, str]:
    """Return the fields of the first processor; empty where the system has no such file."""
    fields: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return fields
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def _cpu_name(fields: dict[str, str]) -> str:
    """Return the most telling name of the processor that the system gives."""
    if "model name" in fields:
        return fields["model name"]
    try:
        board = Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace")
    except OSError:
        board = ""
    part = " ".join(fields[key] for key in ("CPU implementer", "CPU part") if key in fields)
    names = [board.strip("\0 \n"), part and f"CPU {part}", _sysctl(), platform.processor()]
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
