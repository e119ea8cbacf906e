"""Batch norm and dropout of a part of a batch: the parts of two processes, played in turns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces.modules.shard import Shard, batch_norm, dropout, sharded, uniform_per_image

PARTS = (slice(0, 4), slice(4, 6))  # of a batch of six


class Sums:
    """Plays an all-reduce: what the parts sent in the last pass is what they receive in this."""

    def __init__(self) -> None:
        self._received: dict[int, Tensor] = {}
        self._sent: dict[int, Tensor] = {}
        self._number = 0

    def begin(self) -> None:
        """Begin a part of a pass."""
        self._number = 0

    def next_pass(self) -> None:
        self._received, self._sent = self._sent, {}

    def __call__(self, tensor: Tensor) -> Tensor:
        self._sent[self._number] = self._sent.get(self._number, torch.zeros_like(tensor)) + tensor
        tensor.copy_(self._received.get(self._number, tensor))
        self._number += 1
        return tensor


def normalised(
    images: Tensor, weight: Tensor, bias: Tensor, outer: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Return output and gradients of the parts, joined and added."""
    total, results = Sums(), []
    for _ in range(3):  # the second knows the sums forward, the third those backward
        results = []
        for part in PARTS:
            total.begin()
            inputs = [t.clone().requires_grad_() for t in (images[part], weight, bias)]
            with sharded(Shard(part.start, len(images), total)):
                output = batch_norm(inputs[0], None, None, inputs[1], inputs[2], True, eps=1e-3)
            output.backward(outer[part])  # type: ignore[no-untyped-call]
            results.append((output.detach(), [t.grad for t in inputs if t.grad is not None]))
        total.next_pass()
    (first, of_first), (second, of_second) = results
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


def test_images_in_bfloat16_are_normalised_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    images = (torch.randn((6, 3, 8, 8), generator=generator) * 2 + 5).bfloat16()
    one, zero = torch.ones(3), torch.zeros(3)
    outer = torch.randn(images.shape, generator=generator).bfloat16()
    output, gradients = normalised(images, one, zero, outer)
    expected = functional.batch_norm(
        images.float(), None, None, one, zero, training=True, eps=1e-3
    )
    assert output.dtype == gradients[0].dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=1e-2, atol=1e-2)


def test_drop_path_draws_for_the_whole_batch() -> None:
    torch.manual_seed(5)
    expected = uniform_per_image(6, torch.device("cpu"))
    parts = []
    for part in PARTS:
        torch.manual_seed(5)
        with sharded(Shard(part.start, 6, None)):
            parts.append(uniform_per_image(part.stop - part.start, torch.device("cpu")))
    assert torch.equal(torch.cat(parts), expected)
