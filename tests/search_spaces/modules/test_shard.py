"""Batch norm and dropout of a part of a batch: two processes played by two threads of work."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.modules.shard import Shard, batch_norm, dropout, sharded

PARTS = (slice(0, 4), slice(4, 6))  # of a batch of six


class Sum:
    """Sums over threads, as an all-reduce does over processes."""

    def __init__(self) -> None:
        self._barrier = Barrier(len(PARTS))
        self._given: list[Tensor] = []

    def __call__(self, tensor: Tensor) -> Tensor:
        self._given.append(tensor.clone())
        self._barrier.wait(timeout=20)
        total = sum(self._given[-len(PARTS) :], torch.zeros_like(tensor))
        self._barrier.wait(timeout=20)
        return tensor.copy_(total)


def normalised(
    images: Tensor, weight: Tensor, bias: Tensor, outer: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return output and gradients of the parts, joined and added."""
    total = Sum()
    results: dict[int, tuple[Tensor, list[Tensor]]] = {}

    def work(i: int) -> None:
        inputs = [images[PARTS[i]].clone(), weight.clone(), bias.clone()]
        for tensor in inputs:
            tensor.requires_grad_()
        with sharded(Shard(PARTS[i].start, len(images), total)):
            output = batch_norm(inputs[0], None, None, inputs[1], inputs[2], True, eps=1e-3)
        output.backward(outer[PARTS[i]])  # type: ignore[no-untyped-call]
        results[i] = (output.detach(), [t.grad for t in inputs if t.grad is not None])

    threads = [Thread(target=work, args=(i,)) for i in range(len(PARTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (first, of_first), (second, of_second) = results[0], results[1]
    joined = [torch.cat([of_first[0], of_second[0]])]
    joined += [a + b for a, b in zip(of_first[1:], of_second[1:], strict=True)]
    return torch.cat([first, second]), joined


@pytest.mark.parametrize("shape", [(6, 3, 4, 5), (6, 3)])
def test_parts_are_normalised_as_the_whole_batch_is(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(shape, generator=generator, dtype=torch.float64) * 2 + 5
    outer = torch.randn(shape, generator=generator, dtype=torch.float64)
    weight, bias = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    whole = [t.clone().requires_grad_() for t in (images, weight, bias)]
    expected = functional.batch_norm(
        whole[0], None, None, whole[1], whole[2], training=True, eps=1e-3
    )
    expected.backward(outer)  # type: ignore[no-untyped-call]
    output, gradients = normalised(images, weight, bias, outer)
    torch.testing.assert_close(output, expected.detach())
    for ours, theirs in zip(gradients, whole, strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def test_a_large_mean_costs_no_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((6, 3, 8, 8), generator=generator) + 1000
    one, zero = torch.ones(3), torch.zeros(3)
    expected = functional.batch_norm(images, None, None, one, zero, training=True, eps=1e-3)
    output, _ = normalised(images, one, zero, torch.ones_like(images))
    torch.testing.assert_close(output, expected, rtol=0, atol=2e-3)


def test_dropout_drops_what_the_whole_batch_drops() -> None:
    x = torch.rand(6, 50)
    torch.manual_seed(3)
    expected = functional.dropout(x, 0.4)
    parts = []
    for part in PARTS:
        torch.manual_seed(3)
        with sharded(Shard(part.start, len(x), None)):
            parts.append(dropout(x[part], 0.4, training=True))
    torch.testing.assert_close(torch.cat(parts), expected)
    with sharded(Shard(0, len(x), None)):
        assert dropout(x, 0.4, training=False) is x
