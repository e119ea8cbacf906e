"""SGD and AdamW that touch only the active region of each parameter.

What a step did not use gets no gradient, and so neither momentum nor weight decay, also inside
a tensor that is shared by slices (SPOS sets unused gradients to None for the same reason).
The arithmetic is that of torch's own functional optimizers, run on views of the regions: bit for
bit what `torch.optim` does with a tensor of its own, with its fused kernel where the region lies
in memory without gaps. State is kept in named tensors, so a checkpoint is plain safetensors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from nas.config import TrainConfig
from search_spaces.modules.channels import Orders, reorder
from search_spaces.modules.elastic import Region

__all__ = ["RegionOptimizer"]

_STATE = {"sgd": ("momentum",), "adamw": ("exp_avg", "exp_avg_sq", "step")}
_ADAMW_BETAS, _ADAMW_EPS = (0.9, 0.999), 1e-8  # torch.optim.AdamW's defaults


class RegionOptimizer:
    """An optimizer whose step is told what was active.

    Weight decay applies to parameters of two and more dimensions: convolutions, linear layers
    and kernel transforms, as in once-for-all, but not batch norm and biases. AdamW counts its
    steps per parameter, so a part that is rarely active shares the bias correction of the rest.

    Args:
        parameters: By name; on their final device.
        config: Kind of optimizer, momentum and weight decay.
        fused: Whether torch's fused kernel, one pass over the memory, updates what lies in memory
            without gaps: whole parameters and leading rows. None means on CPU and CUDA.

    Attributes:
        state: Momentum or moments by ``kind/parameter name``.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        config: TrainConfig,
        *,
        fused: bool | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        devices = {parameter.device.type for parameter in self._parameters.values()}
        self._fused = devices <= {"cpu", "cuda"} if fused is None else fused
        self._config = config
        self._kinds = _STATE[config.optimizer]
        self.state: dict[str, Tensor] = {
            f"{kind}/{name}": _no_steps() if kind == "step" else torch.zeros_like(parameter)
            for kind in self._kinds
            for name, parameter in self._parameters.items()
        }

    def forget_gradients(self) -> None:
        """Leave every parameter without a gradient."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def restart(self) -> None:
        """Forget momentum and moments."""
        for tensor in self.state.values():
            tensor.zero_()

    def reorder(self, orders: Orders) -> None:
        """Move the channels of momentum and moments as those of the weights were moved."""
        for kind in self._kinds:
            if kind != "step":
                reorder({name: self.state[f"{kind}/{name}"] for name in self._parameters}, orders)

    @torch.no_grad()
    def step(self, regions: Mapping[str, Region], *, learning_rate: float) -> None:
        """Update the regions from the gradients that lie in the parameters.

        Args:
            regions: What took part in the step; a parameter without a gradient is left alone.
            learning_rate: Of this step.
        """
        groups: dict[tuple[bool, bool], list[list[Tensor]]] = {}
        for name, region in regions.items():
            parameter = self._parameters[name]
            if parameter.grad is None:
                continue
            states = [self.state[f"{kind}/{name}"] for kind in self._kinds]
            views = _views([parameter, parameter.grad, *states], region)
            fused = self._fused and _alike_without_gaps(views)
            groups.setdefault((parameter.dim() > 1, fused), []).append(views)
        for (decays, fused), group in groups.items():
            columns = [list(column) for column in zip(*group, strict=True)]
            weight_decay = self._config.weight_decay if decays else 0.0
            self._update(columns, learning_rate, weight_decay, fused=fused)

    def _update(
        self, columns: list[list[Tensor]], rate: float, weight_decay: float, *, fused: bool
    ) -> None:
        parameters, gradients, *states = columns
        foreach = False if fused else None  # none lets torch decide
        if self._config.optimizer == "sgd":
            buffers: list[Tensor | None] = [*states[0]]
            sgd(
                parameters,
                gradients,
                buffers,
                foreach=foreach,
                fused=fused or None,
                weight_decay=weight_decay,
                momentum=self._config.momentum,
                lr=rate,
                dampening=0.0,
                nesterov=self._config.nesterov,
                maximize=False,
            )
            return
        steps = states[2]
        apart = fused and parameters[0].is_cuda
        if apart:  # the kernel counts on its own device, and reads no number from the host
            steps = [*torch.stack(steps).to(parameters[0].device, non_blocking=True).unbind()]
        adamw(
            parameters,
            gradients,
            states[0],
            states[1],
            [],
            steps,
            foreach=foreach,
            fused=fused or None,
            amsgrad=False,
            beta1=_ADAMW_BETAS[0],
            beta2=_ADAMW_BETAS[1],
            lr=rate,
            weight_decay=weight_decay,
            eps=_ADAMW_EPS,
            maximize=False,
        )
        if apart:
            for count in states[2]:
                count += 1


def _no_steps() -> Tensor:
    """Return a count of steps as torch's fused kernels read it, whatever the default type."""
    return torch.zeros((), dtype=torch.float32)


def _views(tensors: list[Tensor], region: Region) -> list[Tensor]:
    """Return the region of each of several tensors of one shape; 0-d ones as they are."""
    sizes = tensors[0].shape
    if all(part.stop - part.start == size for part, size in zip(region, sizes, strict=True)):
        return tensors
    return [tensor[region] if tensor.dim() else tensor for tensor in tensors]


def _alike_without_gaps(tensors: list[Tensor]) -> bool:
    """Return whether tensors of one shape, and 0-d ones, have the same order in memory, no gaps.

    Only those may a fused kernel take.
    """
    return all(tensor.is_contiguous() for tensor in tensors) or all(
        tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
        for tensor in tensors
        if tensor.dim()
    )
