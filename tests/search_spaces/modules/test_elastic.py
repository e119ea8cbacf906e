"""Elastic layers: equal to the plain layer of a slice; gradients only in the declared region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.modules.depthwise import ElasticDepthwise
from search_spaces.modules.elastic import (
    Elastic,
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticLinear,
)

CHANNELS = 6
sizes = st.integers(1, CHANNELS)
kernels = st.sampled_from([3, 5, 7])
quick = settings(max_examples=25, deadline=None)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def images(channels: int, hw: int = 9) -> Tensor:
    shape = (2, channels, hw, hw)
    return torch.randn(shape, generator=generator(), dtype=torch.float64)


def randomise(layer: nn.Module) -> None:
    source = generator()
    for tensor in [*layer.parameters(), *layer.buffers()]:
        tensor.data += torch.rand(tensor.shape, generator=source, dtype=torch.float64)


def check_gradient_region(
    layer: Elastic, run: Callable[[], Tensor], sizes: tuple[Any, ...]
) -> None:
    """Gradients are zero outside the active region, and reach every edge of it."""
    layer.zero_grad()
    run().square().sum().backward()
    regions = layer.active(*sizes)
    for name, parameter in layer.named_parameters():
        if parameter.grad is None:
            assert name not in regions
            continue
        nonzero = parameter.grad.nonzero()
        box = tuple(
            slice(int(low), int(high) + 1)
            for low, high in zip(nonzero.amin(0), nonzero.amax(0), strict=True)
        )
        assert box == regions[name], name


def plain(layer: Elastic, sizes: tuple[Any, ...], module: nn.Module) -> nn.Module:
    module.to(torch.float64).load_state_dict(layer.weights(*sizes))
    return module.eval()


@quick
@given(cin=sizes, cout=sizes, kernel=st.sampled_from([1, 3]), stride=st.sampled_from([1, 2]))
def test_conv_equals_the_plain_conv_of_the_slice(
    cin: int, cout: int, kernel: int, stride: int
) -> None:
    layer = ElasticConv2d(CHANNELS, CHANNELS, kernel=3, bias=True, generator=generator())
    layer.double()
    randomise(layer)
    x = images(cin)
    twin = plain(layer, (cin, cout, kernel), nn.Conv2d(cin, cout, kernel, stride, kernel // 2))
    assert torch.equal(layer(x, cout, kernel, stride), twin(x))
    check_gradient_region(layer, lambda: layer(x, cout, kernel, stride), (cin, cout, kernel))


@quick
@given(cin=sizes, cout=sizes, bias=st.booleans())
def test_linear_equals_the_plain_linear_of_the_slice(cin: int, cout: int, bias: bool) -> None:
    layer = ElasticLinear(CHANNELS, CHANNELS, generator=generator(), bias=True).double()
    randomise(layer)
    x = images(cin).mean((2, 3))
    twin = plain(layer, (cin, cout, bias), nn.Linear(cin, cout, bias=bias))
    assert torch.allclose(layer(x, cout, bias), twin(x), rtol=1e-12)
    check_gradient_region(layer, lambda: layer(x, cout, bias), (cin, cout, bias))


@quick
@given(channels=sizes, kernel=kernels, stride=st.sampled_from([1, 2]))
def test_depthwise_equals_the_plain_conv_of_the_transformed_kernel(
    channels: int, kernel: int, stride: int
) -> None:
    layer = ElasticDepthwise(CHANNELS, kernels=(3, 5, 7), generator=generator()).double()
    randomise(layer)
    x = images(channels)
    conv = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    twin = plain(layer, (channels, kernel), conv)
    assert torch.equal(layer(x, kernel, stride), twin(x))
    check_gradient_region(layer, lambda: layer(x, kernel, stride), (channels, kernel))


def test_kernel_transforms_are_chained_crops_and_matrices() -> None:
    """Once-for-all, section 3.3: crop, then a matrix shared by all channels, 7 -> 5 -> 3."""
    layer = ElasticDepthwise(CHANNELS, kernels=(3, 7, 5), generator=generator()).double()
    randomise(layer)
    matrix_5 = layer.get_parameter("transform_7_5").reshape(25, 25)
    matrix_3 = layer.get_parameter("transform_5_3").reshape(9, 9)
    five = layer.weight[:, 0, 1:6, 1:6].reshape(-1, 25) @ matrix_5.T
    three = five.view(-1, 5, 5)[:, 1:4, 1:4].reshape(-1, 9) @ matrix_3.T
    assert torch.equal(layer.kernel_weight(CHANNELS, 7), layer.weight)
    assert torch.allclose(layer.kernel_weight(CHANNELS, 5).flatten(1), five)
    assert torch.allclose(layer.kernel_weight(CHANNELS, 3).flatten(1), three)


def test_kernel_transforms_start_as_plain_crops() -> None:
    layer = ElasticDepthwise(CHANNELS, kernels=(3, 5, 7), generator=generator())
    assert torch.equal(layer.kernel_weight(4, 3), layer.weight[:4, :, 2:5, 2:5])
    assert torch.equal(layer.kernel_weight(4, 5), layer.weight[:4, :, 1:6, 1:6])


def test_a_fixed_kernel_has_no_transforms() -> None:
    layer = ElasticDepthwise(CHANNELS, kernels=(5, 5), generator=generator())
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


@quick
@given(channels=sizes)
def test_batch_norm_in_evaluation_uses_the_leading_statistics(channels: int) -> None:
    layer = ElasticBatchNorm(CHANNELS).double().eval()
    randomise(layer)
    x = images(channels)
    assert torch.equal(layer(x), plain(layer, (channels,), nn.BatchNorm2d(channels))(x))
    check_gradient_region(layer, lambda: layer(x), (channels,))


@quick
@given(channels=sizes)
def test_batch_norm_in_training_uses_the_batch_and_keeps_the_statistics(channels: int) -> None:
    layer = ElasticBatchNorm(CHANNELS).double()
    randomise(layer)
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    x = images(channels)
    expected = functional.batch_norm(
        x, None, None, layer.weight[:channels], layer.bias[:channels], training=True
    )
    assert torch.equal(layer(x), expected)
    for name, buffer in layer.named_buffers():
        assert torch.equal(buffer, before[name])


def test_weights_depend_on_the_generator_alone() -> None:
    state = torch.get_rng_state()
    first = ElasticConv2d(4, 8, kernel=3, generator=generator())
    torch.rand(3, generator=torch.Generator())
    second = ElasticConv2d(4, 8, kernel=3, generator=generator())
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.weight.std().item() == pytest.approx((2 / (8 * 9)) ** 0.5, rel=0.1)
