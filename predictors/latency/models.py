"""What a runtime loads: blocks, whole networks, torch modules, ONNX files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from predictors.errors import MeasurementError
from predictors.latency.graph import alone, network
from predictors.latency.onnx_graph import empty_onnx, to_onnx
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import BlockSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ArchitectureModel",
    "BlockModel",
    "EmptyModel",
    "InputShape",
    "Model",
    "ModuleModel",
    "OnnxModel",
]

InputShape: TypeAlias = tuple[int, ...]
"""(N, C, H, W), or (N, features)."""


class Model(Protocol):
    """A network in the forms that runtimes read; a runtime asks for the one it needs."""

    @property
    def input_shapes(self) -> tuple[InputShape, ...]:
        """Shapes of the inputs, the batch first."""

    def onnx(self) -> bytes:
        """Return it as a serialised ONNX model."""

    def module(self) -> nn.Module:
        """Return it as a torch module."""


@dataclass(frozen=True, slots=True)
class BlockModel:
    """One block, alone, with random weights.

    Attributes:
        block: The block.
        batch_size: Images in one call.
        pooled: Whether a global average pool follows it in ONNX. The pool reads feature maps in
            whatever layout the block writes them in, as the next block would. Without it
            runtimes must return them in the layout of images, for which they copy, or fall back
            to slow kernels: in OpenVINO a stem took longer at 128 px than at 160, and 66 % of
            ofa_mobilenet_v3's held-out networks came within 10 %; with it 98 %. Eager torch
            keeps one layout and needs none.
    """

    block: BlockSpec
    batch_size: int = 1
    pooled: bool = False

    @property
    def input_shapes(self) -> tuple[InputShape, ...]:
        """Shapes of the block's inputs."""
        return tuple((self.batch_size, *shape) for shape in self.block.in_shapes)

    def onnx(self) -> bytes:
        """Write the block's layers as ONNX."""
        return to_onnx(alone(self.block), batch_size=self.batch_size, pooled=self.pooled)

    def module(self) -> nn.Module:
        """Build the block's plain module."""
        from search_spaces.modules import build_block

        return build_block(self.block)


@dataclass(frozen=True, slots=True)
class ArchitectureModel:
    """The whole network of an architecture, with random weights."""

    space: SearchSpace
    architecture: Architecture
    batch_size: int = 1

    @property
    def input_shapes(self) -> tuple[InputShape, ...]:
        """Shape of the network's input."""
        return ((self.batch_size, *self.space.input_shape_of(self.architecture)),)

    def onnx(self) -> bytes:
        """Write the layers of all blocks as one ONNX graph."""
        return to_onnx(network(self.space, self.architecture), batch_size=self.batch_size)

    def module(self) -> nn.Module:
        """Build the plain subnet."""
        from search_spaces.supernet import build_network

        return build_network(self.space, self.architecture)


@dataclass(frozen=True, slots=True)
class EmptyModel:
    """A network that does next to nothing: running it costs what a call of the runtime costs."""

    input_shapes: tuple[InputShape, ...] = ((1, 1, 1, 1),)

    def onnx(self) -> bytes:
        """Write a single activation."""
        return empty_onnx()

    def module(self) -> nn.Module:
        """Build the same; some runtimes cannot hold a network without an operation."""
        from torch import nn

        return nn.ReLU()


class ModuleModel:
    """A torch module, for example an extracted subnet with its weights.

    Args:
        module: In the state it is to be measured in, except that evaluation mode is set.
        input_shape: (N, C, H, W).
    """

    def __init__(self, module: nn.Module, input_shape: InputShape) -> None:
        self._module = module
        self.input_shapes: tuple[InputShape, ...] = (tuple(input_shape),)

    def onnx(self) -> bytes:
        """Export it to ONNX in memory.

        Raises:
            MissingExtraError: onnx is not installed.
        """
        import torch

        from search_spaces.optional import import_optional

        import_optional("onnx", extra="latency", purpose="Exporting a module to ONNX")
        buffer: Any = io.BytesIO()
        example = tuple(torch.zeros(shape) for shape in self.input_shapes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter calls itself legacy; it is 40x faster
            torch.onnx.export(self._module.eval(), example, buffer, dynamo=False)
        data: bytes = buffer.getvalue()
        return data

    def module(self) -> nn.Module:
        """Return the module."""
        return self._module


class OnnxModel:
    """An ONNX file, for example the one an export wrote.

    Args:
        path: The file.
        input_shapes: The batch first; needed because a file may leave the batch open.
    """

    def __init__(self, path: Path | str, *, input_shapes: Sequence[InputShape]) -> None:
        self._path = Path(path)
        self.input_shapes: tuple[InputShape, ...] = tuple(tuple(s) for s in input_shapes)

    def onnx(self) -> bytes:
        """Read the file.

        Raises:
            MeasurementError: It cannot be read.
        """
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise MeasurementError(
                f"Cannot read the ONNX file {self._path}: {error.strerror}. Export it again."
            ) from error

    def module(self) -> nn.Module:
        """Refuse.

        Raises:
            MeasurementError: Always; an ONNX file is no torch module.
        """
        raise MeasurementError(
            f"The ONNX file {self._path} cannot run in a torch runtime. Choose onnxruntime."
        )
