"""Copies of one training state in several processes: begun alike, kept alike.

The gradients are summed by an explicit all-reduce, not by `DistributedDataParallel`. That class
reduces every parameter of a model, once for each forward and backward pass. A step here has
several passes, one for each member, and uses a part of the supernet. With the passes before the
last one in ``no_sync``, it would leave out what only these used: their gradients would differ
between processes. With a reduction in every pass, or with unused parameters filled up by zeros,
it would send the whole supernet for each member, and zeros are not the same as no gradient: they
decay weights and momentum that no member used. Here each step sends once the regions that its
members used, and no more. What is given up is sending while the backward pass still runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from nas.training.state import TrainState
from nas.world import World
from search_spaces.modules.elastic import Region

__all__ = ["equalise", "sum_gate_gradients", "sum_gradients"]

_BUCKET_BYTES = 32 << 20


def equalise(state: TrainState, world: World) -> None:
    """Give all processes the state of the first one."""
    if world.size == 1:
        return
    gates = {n: [str(gate.dtype), *gate.shape] for n, gate in state.gates.items()}
    told = world.tell(
        {
            "step": state.step,
            "notes": state.notes(),
            "taught": state.teacher is not None,
            "gates": gates,
        }
    )
    if not world.is_first:
        device = next(state.supernet.parameters()).device
        state.step = told["step"]
        state.take_notes(told["notes"])
        if told["taught"] and state.teacher is None:
            state.keep_teacher()
        for name, (kind, *shape) in told["gates"].items():
            dtype = getattr(torch, kind.removeprefix("torch."))
            state.gates[name] = torch.zeros(shape, dtype=dtype, device=device)
    for tensor in state.tensors().values():
        world.receive(tensor.data)


@torch.no_grad()
def sum_gradients(
    parameters: Mapping[str, nn.Parameter], regions: Mapping[str, Region], world: World
) -> None:
    """Sum over all processes the gradients that lie in the regions of a step.

    Args:
        parameters: By name; each has a gradient in all processes or in none.
        regions: What the members of the step used; the gradient is zero elsewhere.
        world: The processes.
    """
    if world.size == 1:
        return
    views = [
        gradient[region]
        for name, region in regions.items()
        if (gradient := parameters[name].grad) is not None
    ]
    for bucket in _buckets(views):
        sums = world.total(torch.cat([view.reshape(-1) for view in bucket]))
        parts = torch.split(sums, [view.numel() for view in bucket])
        for view, part in zip(bucket, parts, strict=True):
            view.copy_(part.view(view.shape))


def sum_gate_gradients(gates: Mapping[str, Tensor], world: World) -> None:
    """Sum over all processes what `TrainState.gates` have of gradients."""
    for gate in gates.values():
        if gate.grad is not None:
            world.total(gate.grad)


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Divide tensors into lists that are sent at once: few messages, little extra memory."""
    bucket: list[Tensor] = []
    room = _BUCKET_BYTES
    for tensor in tensors:
        if bucket and (room < tensor.nbytes or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, room = [], _BUCKET_BYTES
        bucket.append(tensor)
        room -= tensor.nbytes
    if bucket:
        yield bucket
