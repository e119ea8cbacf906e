"""Where torch computes: picking the device, and making the CPU allocator fit for networks."""

from __future__ import annotations

import ctypes
import logging
import sys
from functools import cache

import torch

from nas.errors import ConfigError

__all__ = ["keep_freed_memory", "prepare_device", "to_channels_last"]

_log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_THRESHOLDS = (1 << 30, 32 << 20)  # the second is the most that older versions accept


def prepare_device(name: str, *, threads: int | None = None) -> torch.device:
    """Return the device of a configuration, ready for work.

    Args:
        name: ``auto`` (CUDA where there is one), ``cpu``, ``mps``, ``cuda`` or ``cuda:1``.
        threads: Threads on the CPU for the whole process; none leaves torch's own number.

    Raises:
        ConfigError: The machine has no such device.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    gpus = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ConfigError(
            f"The device {name!r} was asked for, but torch {torch.__version__} sees {gpus} CUDA "
            "devices here. Set train.device to auto or cpu, or install a CUDA build of torch."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            "The device 'mps' was asked for, but this machine has none. Set train.device to auto."
        )
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())  # equal to that of its tensors
    return device


@cache
def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, where the C library is glibc.

    By default glibc hands every large activation back to the system when it is freed and
    gets it again, page by page and zeroed, in the next step. On two cores that was up to half
    of the CPU time of a small network's step. The process keeps its peak size instead.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    if any(mallopt(_M_MMAP_THRESHOLD, size) for size in _THRESHOLDS):
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        _log.debug("the allocator keeps freed memory")


def to_channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return images [n, c, h, w] with the channels last in memory, of one channel too.

    Convolutions keep the layout of their input, so the whole network runs in it: half the CPU
    time of channels first here. With one channel torch takes both layouts for the same and
    goes on channels first, unless the strides say otherwise.
    """
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    n, _, height, width = images.shape
    return images.contiguous().as_strided((n, 1, height, width), (height * width, 1, width, 1))
