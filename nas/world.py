"""The processes of one training: who is first, which part of a batch is whose, sums over all.

``torchrun`` starts the processes and tells each its place by environment variables; where there
are none, the process is alone and nothing of this costs anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from nas.errors import ConfigError, ElsewhereError, InterruptedRunError, NasError

__all__ = ["ALONE", "World", "joined_world"]

_T = TypeVar("_T")
# The longest that a process waits for the others: decoding a large image set is the longest.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class World:
    """The processes that train one network together, as one of them sees them.

    Attributes:
        rank: Of this process, from 0.
        size: How many there are.
        local_rank: Of this process among those of its machine: the GPU that it takes.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """Return the name of this process's device, of the one that a configuration names.

        Raises:
            ConfigError: Several processes would share one GPU, or the device has no way to sum.
        """
        if self.size == 1 or name == "cpu":
            return name
        if name.startswith(("cuda:", "mps")):
            raise ConfigError(
                f"train.device = {name!r} is one device, but {self.size} processes train. Set it "
                "to auto or cuda, so that each takes a GPU of its own, or to cpu."
            )
        return f"cuda:{self.local_rank}" if torch.cuda.is_available() else name

    def share(self, count: int) -> slice:
        """Return which of the `count` images of a batch are this process's.

        The shares follow each other, differ by two images at most and hold whole pairs of
        neighbours, because `nas.data.mix` mixes such pairs.
        """
        pairs = -(-count // 2)
        first, stop = (2 * (pairs * rank // self.size) for rank in (self.rank, self.rank + 1))
        return slice(first, min(stop, count))

    def total(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place; all get the same bits.

        Raises:
            InterruptedRunError: Another process is gone.
        """
        if self.size > 1:
            with _explained():
                distributed.all_reduce(tensor)
        return tensor

    def join(self, rows: Tensor, *, count: int) -> Tensor:
        """Return the `count` rows of a batch of which each process has its share."""
        if self.size == 1:
            return rows
        whole = rows.new_zeros(count, *rows.shape[1:])
        whole[self.share(count)] = rows
        return self.total(whole)

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        return flag if self.size == 1 else bool(self.total(torch.tensor(float(flag))))

    def receive(self, tensor: Tensor) -> None:
        """Give a tensor the values that it has in the first process."""
        if self.size > 1:
            sent = tensor.contiguous()  # the only layout that is sent
            with _explained():
                distributed.broadcast(sent, src=0)
            if sent is not tensor:
                tensor.copy_(sent)

    def tell(self, value: Any) -> Any:
        """Return what the first process says, a JSON value, in every process."""
        if self.size == 1:
            return value
        data = json.dumps(value).encode() if self.is_first else b""
        length = torch.tensor([len(data)])
        self.receive(length)
        text = torch.frombuffer(bytearray(data or bytes(int(length))), dtype=torch.uint8)
        self.receive(text)
        return json.loads(bytes(text.tolist()))

    def first(self, work: Callable[[], _T]) -> _T | None:
        """Let the first process do some work while the others wait.

        Returns:
            What it returns; None in the others.

        Raises:
            NasError: In the first process, that of the work.
            ElsewhereError: In the others then: it was reported already.
        """
        if self.size == 1:
            return work()
        if not self.is_first:
            if code := self.tell(None):
                raise ElsewhereError(code)
            return None
        try:
            result = work()
        except NasError as error:
            self.tell(error.exit_code)
            raise
        self.tell(0)
        return result


ALONE = World()
"""The world of a single process."""


@contextmanager
def joined_world() -> Iterator[World]:
    """Join the processes that ``torchrun`` started; yields `ALONE` where it did not.

    Raises:
        ConfigError: The environment variables of ``torchrun`` are not all there.
        InterruptedRunError: The other processes do not come.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in needed if name not in os.environ]:
        raise ConfigError(
            f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set. Start several processes "
            "by `torchrun --nproc-per-node N -m nas train CONFIG`, or unset WORLD_SIZE."
        )
    world = World(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))
    backend = "gloo"
    if torch.cuda.is_available():
        if world.local_rank < torch.cuda.device_count():  # more may train, on the CPU
            torch.cuda.set_device(world.local_rank)
        backend = "cpu:gloo,cuda:nccl"
    with _explained():
        meeting = rendezvous("env://", world.rank, size, timeout=_PATIENCE)
        store, *_ = next(iter(meeting))
        # After a restart torchrun's store still has the addresses of the processes before.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        distributed.init_process_group(
            backend,
            store=PrefixStore(f"attempt {attempt}", store),
            rank=world.rank,
            world_size=size,
            timeout=_PATIENCE,
        )
    try:
        yield world
    finally:
        distributed.destroy_process_group()


@contextmanager
def _explained() -> Iterator[None]:
    """Say what torch means when the connection to another process breaks."""
    try:
        yield
    except RuntimeError as error:
        detail = str(error).partition(". ")[0].partition("\n")[0]
        raise InterruptedRunError(
            f"Another process of this training is gone ({detail}). The last checkpoint is kept: "
            "torchrun starts all processes again where --max-restarts allows it, and --resume "
            "goes on, with as many processes or others."
        ) from error
