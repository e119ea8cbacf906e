"""The defining property: a supernet at an architecture equals the extracted plain network."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from predictors import Params, compile_cost
from search_spaces import Architecture, SearchSpace, SpaceBuilder, SpaceError, get_space
from search_spaces.blocks import Conv, Head, Zero
from search_spaces.modules import activations
from search_spaces.modules.depthwise import ElasticDepthwise
from search_spaces.registry import list_spaces
from search_spaces.supernet import Supernet, build_network
from tests.small_spaces import SMALL

# Just so large that every tap of every kernel meets a pixel in the last stage, whose maps are
# (k + 1) / 2 pixels wide; attention is quadratic in the pixels.
FULL_KERNELS: dict[str, dict[str, Any]] = {
    "attentive_nas": {"resolutions": (96,)},
    "bignas": {"resolutions": (96,)},
    "mobile_small": {"resolutions": (32,)},
    "mpc_vit": {"resolution": 16},
    "ofa_resnet50": {"resolutions": (64,)},
    "vit_resnas": {"resolution": 32},
}


def full_kernels(name: str) -> dict[str, Any]:
    """Return options under which the last stage's maps hold the largest kernel's taps."""
    options = dict(SMALL.get(name, {}))
    if "resolution" in options:
        options["resolution"] = 128
    elif "of" in options:
        options["of_options"] = {"resolutions": [128]}
    elif options:
        options["resolutions"] = (128,)
    return options | FULL_KERNELS.get(name, {})


every_space = pytest.mark.parametrize("name", list_spaces())


@cache
def space_of(name: str) -> SearchSpace:
    return get_space(name, **SMALL.get(name, {}))


@cache
def random_supernet(name: str) -> Supernet:
    """A supernet in float64 whose every parameter and statistic is random; do not change it."""
    return randomised(space_of(name))


def randomised(space: SearchSpace) -> Supernet:
    """Random weights that keep signals near one, so that equality means something."""
    net = Supernet(space, seed=1).double().eval()
    generator = torch.Generator().manual_seed(2)

    def normal(tensor: Tensor, mean: float, std: float) -> None:
        tensor.data.normal_(mean, std, generator=generator)

    for module in net.modules():
        for name, tensor in module.named_parameters(recurse=False):
            if name == "bias":
                tensor.data.uniform_(0.2, 0.6, generator=generator)
            elif tensor.dim() == 1:
                tensor.data.uniform_(0.5, 1.5, generator=generator)
            elif name.startswith("transform"):
                noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.data += 0.2 * noise
            else:
                gain = 0.3 if getattr(module, "bias", None) is not None else math.sqrt(2)
                normal(tensor, 0.0, gain / math.sqrt(tensor[0].numel()))
        for name, tensor in module.named_buffers(recurse=False):
            if name == "running_mean":
                normal(tensor, 0.0, 0.2)
            elif tensor.is_floating_point():
                tensor.data.uniform_(0.5, 2.0, generator=generator)
    return net


def architectures(space: SearchSpace, n: int, seed: int = 0) -> list[Architecture]:
    """All first options, all last options, and some random ones."""
    first = np.zeros((1, len(space.choices)), dtype=np.int16)
    last = (space.option_counts - 1)[None].astype(np.int16)
    rows = space.sample(n, np.random.default_rng(seed))
    return space.decode_all(np.concatenate([first, last, rows]))


def images(space: SearchSpace, architecture: Architecture, n: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (n, *space.input_shape_of(architecture))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@every_space
def test_supernet_equals_the_extracted_subnet(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    with torch.no_grad():
        for architecture in architectures(space, 4):
            x = images(space, architecture)
            expected, got = net.subnet(architecture)(x), net(x, architecture)
            assert expected.std() > 1e-3
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


@every_space
def test_different_architectures_give_different_outputs(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    rows = space.unique(space.sample(64, np.random.default_rng(4)))
    found = space.decode_all(rows)
    resolution = space.resolution_of(found[0])
    same_size = [a for a in found if space.resolution_of(a) == resolution][:5]
    assert len(same_size) > 1
    x = images(space, same_size[0])
    with torch.no_grad():
        outputs = [net(x, architecture) for architecture in same_size]
    for i, first in enumerate(outputs):
        for second in outputs[i + 1 :]:
            assert (first - second).abs().max() > 1e-6


@every_space
def test_forward_leaves_no_trace(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    first, second = architectures(space, 0)
    x, y = images(space, first), images(space, second)
    with torch.no_grad():
        expected = net(x, first)
        net.train()
        net(y, second)
        net.eval()
        assert torch.equal(net(x, first), expected)
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key])


@every_space
def test_gradients_reach_the_active_region_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Non-zero gradients have the declared region as their bounding box, exactly.

    Activations and attention never saturate here: a unit that a rectifier switches off has no
    gradient, nor has a score far below another.
    """
    for activation in activations._STATELESS:
        monkeypatch.setitem(activations._STATELESS, activation, nn.LeakyReLU(0.5))
    monkeypatch.setattr(Tensor, "softmax", lambda scores, dim: scores / scores.shape[dim])
    space = get_space(name, **full_kernels(name))
    net = randomised(space)
    for architecture in architectures(space, 2, seed=5):
        net.zero_grad(set_to_none=True)
        net(images(space, architecture, 3), architecture).square().sum().backward()
        regions = net.active_parameters(architecture)
        touched = {key: p.grad for key, p in net.named_parameters() if p.grad is not None}
        assert set(touched) == set(regions)
        cut = any(isinstance(block, Zero) for block in space.blocks(architecture).values())
        for key, gradient in touched.items():
            nonzero = gradient.nonzero()
            if cut and not len(nonzero):
                continue  # all that reads it is multiplied by zero
            assert len(nonzero), key
            bounds = zip(nonzero.amin(0).tolist(), nonzero.amax(0).tolist(), strict=True)
            box = tuple(slice(low, high + 1) for low, high in bounds)
            if cut:  # so may be what some of its channels read
                pairs = zip(box, regions[key], strict=True)
                assert all(a.start >= b.start and a.stop <= b.stop for a, b in pairs), key
            else:
                assert box == regions[key], key


@every_space
def test_training_gradients_stay_in_the_active_region(name: str) -> None:
    space = space_of(name)
    net = Supernet(space).double()
    for architecture in architectures(space, 1, seed=6):
        net.zero_grad(set_to_none=True)
        with torch.random.fork_rng():
            net(images(space, architecture, 4), architecture).square().sum().backward()
        regions = net.active_parameters(architecture)
        for key, parameter in net.named_parameters():
            assert (parameter.grad is not None) == (key in regions)
            if parameter.grad is not None:
                parameter.grad[regions[key]] = 0
                assert not parameter.grad.any(), key


@every_space
def test_parameters_of_the_subnet_are_those_of_the_cost(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    params = compile_cost(space, Params())
    for architecture in architectures(space, 3):
        subnet = net.subnet(architecture)
        assert sum(p.numel() for p in subnet.parameters()) == params.of(architecture)
    if not any(slot.weights for slot in space.slots):  # else one weight is many a subnet's
        assert sum(p.numel() for p in net.parameters()) >= params.maximum().value


@every_space
def test_state_dict_round_trip(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    other = Supernet(space, seed=9).double().eval()
    other.load_state_dict(net.state_dict())
    architecture = architectures(space, 1)[-1]
    x = images(space, architecture)
    with torch.no_grad():
        assert torch.equal(other(x, architecture), net(x, architecture))
    fresh = build_network(space, architecture, seed=7).double().eval()
    fresh.load_state_dict(net.subnet(architecture).state_dict())
    with torch.no_grad():
        assert torch.equal(fresh(x), net.subnet(architecture)(x))


@every_space
def test_the_subnet_owns_its_weights(name: str) -> None:
    space, net = space_of(name), random_supernet(name)
    architecture = architectures(space, 1)[-1]
    x = images(space, architecture)
    with torch.no_grad():
        expected = net(x, architecture)
        subnet = net.subnet(architecture)
        for tensor in subnet.state_dict().values():
            tensor.zero_()
        assert torch.equal(net(x, architecture), expected)
    pointers = [tensor.data_ptr() for tensor in net.subnet(architecture).state_dict().values()]
    assert len(set(pointers)) == len(pointers)


@every_space
def test_initial_weights_depend_on_the_seed_alone(name: str) -> None:
    space = space_of(name)
    state = torch.get_rng_state()
    first, second, third = (Supernet(space, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], third[key]) for key in first)


@every_space
def test_channels_last_gives_the_same_network(name: str) -> None:
    space = space_of(name)
    net = Supernet(space).eval()
    net.load_state_dict({k: v.float() for k, v in random_supernet(name).state_dict().items()})
    architecture = architectures(space, 1)[-1]
    x = images(space, architecture).float()
    with torch.no_grad():
        expected = net(x, architecture)
        subnet = net.subnet(architecture).to(memory_format=torch.channels_last)
        net.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(net(x, architecture), expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(subnet(x), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
@every_space
def test_supernet_equals_the_extracted_subnet_on_a_gpu(name: str) -> None:
    space = space_of(name)
    net = randomised(space).cuda()
    for architecture in architectures(space, 1):
        x = images(space, architecture).cuda()
        with torch.no_grad():
            expected, got = net.subnet(architecture)(x), net(x, architecture)
        assert expected.is_cuda
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-9)


def test_subnet_has_the_mode_of_the_supernet() -> None:
    space = space_of("mobile_small")
    architecture = architectures(space, 0)[0]
    net = Supernet(space)
    assert all(module.training for module in net.subnet(architecture).modules())
    assert not any(module.training for module in net.eval().subnet(architecture).modules())


def test_statistics_of_the_subnet_move_in_training() -> None:
    """Recalibration happens on the extracted network, which has plain batch norms."""
    space = space_of("mobile_small")
    architecture = architectures(space, 0)[0]
    subnet = Supernet(space).double().subnet(architecture)
    batch_norms = [m for m in subnet.modules() if isinstance(m, nn.BatchNorm2d)]
    subnet(images(space, architecture))
    for batch_norm in batch_norms:
        assert batch_norm.num_batches_tracked == 1
        assert (batch_norm.eps, batch_norm.momentum) == (1e-5, 0.1)


def test_every_depthwise_layer_of_ofa_has_transforms_and_the_fixed_one_none() -> None:
    net = random_supernet("ofa_mobilenet_v3")
    depthwise = [m for m in net.modules() if isinstance(m, ElasticDepthwise)]
    transforms = [len(list(m.parameters())) - 1 for m in depthwise]
    assert transforms == [0] + [2] * 20


def test_fresh_networks_draw_each_slot_from_its_own_stream() -> None:
    space = space_of("spos_shufflenet_v2")
    first = architectures(space, 0)[0]
    other = first.replace(operation_3="xception")
    weights = [dict(build_network(space, a).named_parameters()) for a in (first, other)]
    same = "blocks.layer4.main.expand.conv.weight"
    assert torch.equal(weights[0][same], weights[1][same])


def test_wrong_image_shape_names_the_expected_one() -> None:
    space, net = space_of("ofa_mobilenet_v3"), random_supernet("ofa_mobilenet_v3")
    architecture = architectures(space, 0)[0]
    for shape in [(2, 3, 64, 64), (2, 1, 32, 32), (3, 32, 32)]:
        with pytest.raises(SpaceError, match=r"\(3, 32, 32\), resolution 32") as error:
            net(torch.zeros(shape, dtype=torch.float64), architecture)
        assert str(shape) in str(error.value)


def test_foreign_architectures_are_refused() -> None:
    net = random_supernet("mobile_small")
    with pytest.raises(SpaceError, match="lacks the choice"):
        net.subnet(Architecture({"resolution": 24}))


def test_a_slot_that_is_always_skipped_has_no_module() -> None:
    builder = SpaceBuilder("skipping")
    builder.slot("stem", block=lambda: Conv(3, 4, 8))
    builder.slot("never", block=lambda: None)
    builder.slot("head", block=lambda: Head(4, 2, 8))
    space = builder.build()
    net = Supernet(space).eval()
    assert sorted(net.blocks) == ["head", "stem"]
    assert net(torch.zeros(1, 3, 8, 8), Architecture({})).shape == (1, 2)


def test_slots_whose_names_collide_are_refused() -> None:
    builder = SpaceBuilder("colliding")
    builder.slot("a.b", block=lambda: Conv(3, 4, 8))
    builder.slot("a_b", block=lambda: Conv(4, 4, 8))
    with pytest.raises(SpaceError, match="'a_b'"):
        Supernet(builder.build())


def test_a_space_of_a_few_lines_trains() -> None:
    """Elastic input channels, output channels and a skipped slot in one small net."""
    builder = SpaceBuilder("tiny")
    width = builder.choice("width", (4, 8))
    depth = builder.choice("depth", (1, 2))
    builder.slot("stem", reads=(width,), block=lambda w: Conv(1, w, 8, kernel=3, act="swish"))
    builder.slot(
        "body", reads=(width, depth), block=lambda w, d: Conv(w, w, 8) if d == 2 else None
    )
    builder.slot("head", reads=(width,), block=lambda w: Head(w, 2, 8))
    space = builder.build()
    net = Supernet(space)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 8, 8, generator=generator)
    labels = (x[:, 0, :, :4].mean((1, 2)) > 0).long()
    x[labels == 1] += 0.5
    losses = []
    for step in range(60):
        for architecture in architectures(space, 1, seed=step):
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(net(x, architecture), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert np.mean(losses[-6:]) < 0.5 * np.mean(losses[:6])


def test_subnet_exports_with_torch_export() -> None:
    space, net = space_of("mobile_small"), random_supernet("mobile_small")
    architecture = architectures(space, 1)[-1]
    x = images(space, architecture)
    subnet = net.subnet(architecture)
    program = torch.export.export(subnet, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    more = torch.cat([x, x])
    torch.testing.assert_close(program.module()(more), subnet(more))


def test_the_package_names_the_supernet_without_importing_torch() -> None:
    code = (
        "import sys, search_spaces; assert 'torch' not in sys.modules; "
        "search_spaces.Supernet; search_spaces.build_network; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
