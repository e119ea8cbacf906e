"""The PyPI package `ofa` computes what our supernets compute, where it is installed."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas.foreign import import_checkpoint
from search_spaces import get_space
from search_spaces.foreign_configs import from_net_config, to_net_config
from tests.nas.foreign import resnet_reference
from tests.nas.foreign.ofa_reference import MOBILENET, PROXYLESS, settings, shapes
from tests.nas.foreign.reference import assert_equal, by_settings, random_state, saved

CLASSES = 10
CHOICES = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty classes for torchvision, which the reference's data loaders import."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)

        def missing(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__getattr__ = missing  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@pytest.fixture
def networks() -> Iterator[Any]:
    if importlib.util.find_spec("ofa") is None:
        pytest.skip("the reference package `ofa` is not installed (pip install --no-deps ofa)")
    before = set(sys.modules)
    stubs = _Stubs()
    sys.meta_path.append(stubs)
    try:
        yield importlib.import_module("ofa.imagenet_classification.elastic_nn.networks")
    finally:
        sys.meta_path.remove(stubs)
        for name in set(sys.modules) - before:
            if name.split(".")[0] in ("torchvision", "ofa"):
                del sys.modules[name]


def _filled(network: Any, expected: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Check names and shapes of a published network, and give it random weights."""
    names = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert names == expected
    random = random_state(names, torch.Generator().manual_seed(1))
    network.load_state_dict(random)
    return random


@pytest.mark.parametrize("width", [1.0, 1.2])
def test_mobilenet_v3_computes_the_same(networks: Any, width: float, tmp_path: Path) -> None:
    space = get_space("ofa_mobilenet_v3", width=width, classes=CLASSES, resolutions=[32, 48])
    network = networks.OFAMobileNetV3(n_classes=CLASSES, width_mult=width, **CHOICES).eval()
    random = _filled(network, shapes(MOBILENET, width, CLASSES))

    def theirs(x: Tensor, kernels: list[int], ratios: list[int], depths: list[int]) -> Tensor:
        network.set_active_subnet(ks=kernels, e=ratios, d=depths)
        logits: Tensor = network(x)
        return logits

    supernet = import_checkpoint(saved(tmp_path, random), space, format="ofa")
    assert_equal(supernet, by_settings(theirs, settings), subnets=6)
    for row in space.sample(6, np.random.default_rng(4)):
        architecture = space.decode(row)
        kernels, ratios, depths = settings(architecture)
        network.set_active_subnet(ks=kernels, e=ratios, d=depths)
        subnet = network.get_active_subnet()
        resolution = space.resolution_of(architecture)
        read = from_net_config(space, json.loads(json.dumps(subnet.config)), resolution=resolution)
        assert space.id_of(read) == space.id_of(architecture)
        rebuilt = type(subnet).build_from_config(to_net_config(space, architecture))
        assert {n: t.shape for n, t in rebuilt.state_dict().items()} == {
            n: t.shape for n, t in subnet.state_dict().items()
        }


def test_proxyless_computes_the_same(networks: Any, tmp_path: Path) -> None:
    space = get_space("ofa_proxyless", classes=CLASSES, resolutions=[32, 48])
    network = networks.OFAProxylessNASNets(n_classes=CLASSES, width_mult=1.3, **CHOICES).eval()
    random = _filled(network, shapes(PROXYLESS, 1.3, CLASSES))

    def theirs(x: Tensor, kernels: list[int], ratios: list[int], depths: list[int]) -> Tensor:
        network.set_active_subnet(ks=kernels, e=ratios, d=depths)
        logits: Tensor = network(x)
        return logits

    supernet = import_checkpoint(saved(tmp_path, random), space, format="ofa")
    assert_equal(supernet, by_settings(theirs, settings), subnets=6)


def test_resnet_computes_the_same(networks: Any, tmp_path: Path) -> None:
    """Their depths count blocks beyond the least, and widths are positions."""
    multipliers, least = [0.65, 0.8, 1.0], (2, 2, 4, 2)
    space = get_space("ofa_resnet50", classes=CLASSES, resolutions=[32, 64])
    network = networks.OFAResNets(
        n_classes=CLASSES,
        depth_list=[0, 1, 2],
        expand_ratio_list=[0.2, 0.25, 0.35],
        width_mult_list=multipliers,
    ).eval()
    random = _filled(network, resnet_reference.shapes(CLASSES))

    def theirs(
        x: Tensor,
        residual: bool,
        widths: list[float],
        depths: list[int],
        ratios: list[list[float]],
    ) -> Tensor:
        network.set_active_subnet(
            d=[2 if residual else 0, *(d - n for d, n in zip(depths, least, strict=True))],
            e=[ratio for stage in ratios for ratio in stage],
            w=[multipliers.index(width) for width in widths],
        )
        logits: Tensor = network(x)
        return logits

    supernet = import_checkpoint(saved(tmp_path, random), space, format="ofa")
    assert_equal(supernet, by_settings(theirs, resnet_reference.settings), subnets=6)
