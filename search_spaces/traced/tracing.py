"""A module as a list of steps: traced by torch.fx in evaluation mode, with shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from search_spaces.blocks import Shape
from search_spaces.errors import SpaceError
from search_spaces.traced.operations import (
    Operation,
    is_supported,
    operation_of,
    refuse,
    shape_of,
)

__all__ = ["Step", "evaluating", "steps_of"]

_BATCH = 2
_FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError)


@dataclass(frozen=True)
class Step:
    """One operation of a model.

    Attributes:
        node: Of the traced graph.
        operation: What it does.
        inputs: Nodes of the tensors it reads.
        output: Whether the model returns it.
    """

    node: fx.Node
    operation: Operation
    inputs: tuple[fx.Node, ...]
    output: bool = False


def steps_of(model: nn.Module, input_shape: Sequence[int]) -> list[Step]:
    """Return what a model does to one input, in running order, the useless left out.

    Args:
        model: On any device, also ``meta``; it is run once there, on two empty images.
        input_shape: (C, H, W).

    Raises:
        SpaceError: The model cannot be traced or run, takes or returns several tensors, or
            does something that has no elastic counterpart.
    """
    with evaluating(model), torch.no_grad():
        graph = _traced(model)
        _record_shapes(model, graph, tuple(input_shape))
    steps = []
    for node in [node for node in graph.nodes if node.op not in ("placeholder", "output")]:
        if node.meta["shape"] is None:
            continue
        if not node.meta["shape"] and node.op != "get_attr":
            raise refuse(node, "its output does not keep the images of a batch apart")
        operation = operation_of(node, model)
        inputs = _tensors(node)
        if operation.kind == "same":
            node.replace_all_uses_with(inputs[0])
            continue
        if operation.in_place:
            _overwrite(graph, node, inputs[0])
        steps.append(Step(node, operation, inputs))
    return _needed(graph, steps)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode for a while; every part gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


class _Tracer(fx.Tracer):
    """Takes the modules we know as a whole, and remembers where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one step."""
        return is_supported(m) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace a module; after an error its path stays the last one inside."""
        self.inside.append(self.path_of_module(m))
        result = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        return result


def _traced(model: nn.Module) -> fx.Graph:
    tracer = _Tracer()
    try:
        graph = tracer.trace(model)
    except (fx.proxy.TraceError, *_FAILURES) as error:
        where = f"module {tracer.inside[-1]!r}" if tracer.inside else "the model's forward"
        raise SpaceError(
            f"torch.fx cannot trace {where} of {type(model).__name__}: {error}. Control flow must "
            "not depend on the values or shapes of tensors; rewrite that part, or build the "
            "space by hand (docs/own_space.md)."
        ) from error
    names = [node.name for node in graph.nodes if node.op == "placeholder"]
    if len(names) != 1:
        raise SpaceError(f"{type(model).__name__} must take one tensor, it takes {names}.")
    _refuse_shared(model, graph)
    return graph


def _refuse_shared(model: nn.Module, graph: fx.Graph) -> None:
    """Refuse modules with weights that are called twice."""
    seen: dict[nn.Module, fx.Node] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            module = model.get_submodule(str(node.target))
            if module in seen and any(True for _ in module.parameters()):
                raise refuse(node, f"it has weights and ran before, as {seen[module].name!r}")
            seen[module] = node


class _Shapes(fx.Interpreter):
    """Runs a graph and notes the shape of every tensor."""

    def run_node(self, n: fx.Node) -> Any:
        """Run one node."""
        result = super().run_node(n)
        n.meta["shape"] = None
        if isinstance(result, Tensor):
            apart = result.dim() > 1 and result.shape[0] == _BATCH
            n.meta["shape"] = tuple(result.shape[1:]) if apart else ()
        return result


def _record_shapes(model: nn.Module, graph: fx.Graph, input_shape: Shape) -> None:
    weight = next(model.parameters(), torch.empty(0))
    x = torch.zeros(_BATCH, *input_shape, dtype=weight.dtype, device=weight.device)
    try:
        _Shapes(fx.GraphModule(model, graph)).run(x)
    except _FAILURES as error:
        message = str(error).splitlines()[0]
        raise SpaceError(
            f"{type(model).__name__} cannot run on images of shape {input_shape}: {message}. "
            "Give its own input_shape=(C, H, W)."
        ) from error


def _tensors(node: fx.Node) -> tuple[fx.Node, ...]:
    """Return the tensors among the arguments of a node, as often as they occur."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), found.append)
    return tuple(source for source in found if source.meta["shape"] is not None)


def _overwrite(graph: fx.Graph, node: fx.Node, source: fx.Node) -> None:
    """Let what reads a tensor after it was overwritten read what overwrote it."""
    order = {other: position for position, other in enumerate(graph.nodes)}
    for reader in [*source.users]:
        if order[reader] > order[node]:
            reader.replace_input_with(source, node)


def _needed(graph: fx.Graph, steps: list[Step]) -> list[Step]:
    """Return the steps that the output depends on."""
    (output,) = (node for node in graph.nodes if node.op == "output")
    returned = output.args[0]
    if not isinstance(returned, fx.Node) or not shape_of(returned):
        raise SpaceError(f"The model must return one tensor, it returns {returned!s:.200}.")
    needed, kept = {returned}, []
    for step in reversed(steps):
        if step.node in needed:
            needed.update(step.inputs)
            kept.append(Step(step.node, step.operation, step.inputs, step.node is returned))
    if not kept:
        raise SpaceError("The model returns its input; there is nothing to search.")
    return kept[::-1]
