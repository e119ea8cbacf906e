from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nas.config import TrainConfig
from nas.training.optimizer import RegionOptimizer
from search_spaces.modules.elastic import Region, hull
from tests.nas.training.jobs import tiny_config

SHAPES = {"conv": (6, 4, 3, 3), "linear": (5, 6), "bias": (5,), "unused": (3, 3)}


def config(optimizer: str) -> TrainConfig:
    return tiny_config(optimizer=optimizer, weight_decay=0.05).train


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {n: nn.Parameter(torch.randn(s, generator=generator)) for n, s in SHAPES.items()}


def set_gradients(params: Mapping[str, nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in params.values():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def whole(params: Mapping[str, Tensor]) -> dict[str, Region]:
    return {n: tuple(slice(0, size) for size in p.shape) for n, p in params.items()}


def torch_twin(
    kind: str, params: Mapping[str, nn.Parameter], fused: bool
) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in params.values() if p.dim() > 1], "weight_decay": 0.05},
        {"params": [p for p in params.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, fused=fused)
    return torch.optim.AdamW(groups, lr=0.1, fused=fused)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_whole_regions_are_exactly_torchs_optimizer(kind: str, fused: bool) -> None:
    ours, theirs = parameters(), parameters()
    optimizer = RegionOptimizer(ours, config(kind), fused=fused)
    twin = torch_twin(kind, theirs, fused)
    for step in range(5):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        for group in twin.param_groups:
            group["lr"] = 0.1 / (step + 1)
        optimizer.step(whole(ours), learning_rate=0.1 / (step + 1))
        twin.step()
    for name in SHAPES:
        assert torch.equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_fused_kernel_computes_the_same(kind: str) -> None:
    ours, theirs = parameters(), parameters()
    fused = RegionOptimizer(ours, config(kind), fused=True)
    plain = RegionOptimizer(theirs, config(kind), fused=False)
    for step in range(4):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        regions = whole(ours) | (REGIONS if step % 2 else {})
        fused.step(regions, learning_rate=0.1)
        plain.step(regions, learning_rate=0.1)
    for name in SHAPES:
        torch.testing.assert_close(ours[name], theirs[name], msg=name)
    for name, tensor in fused.state.items():
        torch.testing.assert_close(tensor, plain.state[name], msg=name)


REGIONS: dict[str, Region] = {
    "conv": (slice(0, 4), slice(0, 2), slice(1, 2), slice(1, 2)),
    "linear": (slice(0, 5), slice(0, 3)),
    "bias": (slice(0, 2),),
}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_outside_of_a_region_nothing_changes(kind: str, fused: bool) -> None:
    params = parameters()
    optimizer = RegionOptimizer(params, config(kind), fused=fused)
    set_gradients(params, 0)
    optimizer.step(whole(params), learning_rate=0.1)  # momentum everywhere
    before = {n: p.detach().clone() for n, p in params.items()}
    states = {n: s.clone() for n, s in optimizer.state.items()}
    set_gradients(params, 1)
    optimizer.step(REGIONS, learning_rate=0.1)
    for name, parameter in params.items():
        inside = torch.zeros(SHAPES[name], dtype=torch.bool)
        if name in REGIONS:
            inside[REGIONS[name]] = True
        changed = parameter.detach() != before[name]
        assert torch.equal(changed, inside), name
        for kind_of_state in ("momentum", "exp_avg", "exp_avg_sq"):
            key = f"{kind_of_state}/{name}"
            if key in states:
                assert torch.equal(optimizer.state[key] != states[key], inside), key
        if kind == "adamw":
            assert optimizer.state[f"step/{name}"] == (2 if name in REGIONS else 1)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_region_is_updated_as_a_tensor_of_its_own_would_be(
    kind: str, layout: torch.memory_format, fused: bool
) -> None:
    params = parameters()
    params["conv"].data = params["conv"].data.contiguous(memory_format=layout)
    cut = {n: nn.Parameter(params[n].detach()[r].clone()) for n, r in REGIONS.items()}
    optimizer = RegionOptimizer(params, config(kind), fused=fused)
    with_gaps = {name: cut[name] for name in ("conv", "linear")}
    twins = [torch_twin(kind, with_gaps, False), torch_twin(kind, {"bias": cut["bias"]}, fused)]
    for step in range(3):
        set_gradients(params, step)
        for name, region in REGIONS.items():
            gradient = params[name].grad
            assert gradient is not None
            cut[name].grad = gradient[region].clone()
        optimizer.step(REGIONS, learning_rate=0.1)
        for twin in twins:
            twin.step()
    for name, region in REGIONS.items():
        assert torch.equal(params[name].detach()[region], cut[name]), name


def test_a_parameter_without_gradient_is_left_alone() -> None:
    params = parameters()
    optimizer = RegionOptimizer(params, config("sgd"))
    set_gradients(params, 0)
    params["conv"].grad = None
    before = params["conv"].detach().clone()
    optimizer.step(whole(params), learning_rate=0.1)
    assert torch.equal(params["conv"], before)


slices = st.tuples(st.integers(0, 5), st.integers(1, 5)).map(lambda t: slice(t[0], t[0] + t[1]))
region_maps = st.dictionaries(st.sampled_from("abc"), st.tuples(slices, slices))


@given(st.lists(region_maps, max_size=4))
def test_hull_is_the_smallest_box_that_holds_all(maps: list[dict[str, Region]]) -> None:
    result = hull(maps)
    assert set(result) == {name for regions in maps for name in regions}
    for name, box in result.items():
        given_regions = [regions[name] for regions in maps if name in regions]
        for dimension, side in enumerate(box):
            assert side.start == min(region[dimension].start for region in given_regions)
            assert side.stop == max(region[dimension].stop for region in given_regions)
