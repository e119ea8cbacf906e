"""A subnet with its own weights, computed privately, agrees with torch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from predictors.errors import MeasurementError
from predictors.latency.graph import network as placed_blocks
from predictors.mpc import Laws, Program, get_protocol, predict, program_of
from predictors.mpc.engine.environment import engine_python
from predictors.mpc.engine.process import Pool
from predictors.mpc.weights import image_array, network_arrays
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.supernet import Supernet
from tests.small_spaces import SMALL


def _installed() -> bool:
    try:
        return engine_python() is not None
    except MeasurementError:
        return False


needs_engine = pytest.mark.skipif(not _installed(), reason="the private engine is not installed")
SEMI2K = get_protocol("semi2k")
IMAGES = 4
LARGEST_DIFFERENCE = 1e-3  # of logits whose standard deviation is 1


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(SEMI2K) as pool:
        yield pool


def _options(space: SearchSpace, **wanted: object) -> Architecture:
    """Return the smallest options, but for those whose names begin with a wanted one."""
    options = {choice.name: choice.options[0] for choice in space.choices}
    for prefix, value in wanted.items():
        for i, name in enumerate(name for name in options if name.startswith(prefix)):
            options[name] = value[i % len(value)] if isinstance(value, tuple) else value
    return Architecture(options)


CASES = {
    "every kind of attention": (
        "mpc_vit",
        {},
        {
            "depth": 2,
            "heads": 4,
            "attention": ("softmax", "relu_softmax", "scale_attention", "two_quad"),
            "act": ("gelu", "quadratic"),
        },
    ),
    "one kind of attention": ("mpc_vit", {}, {"attention": "two_quad", "act": "linear"}),
    "some tokens": (
        "mpc_vit",
        {"token_shares": (0.4, 0.0, 0.2), "resolution": 12},
        {
            "depth": 2,
            "attention": "scale_attention",
            "act": ("gelu", "quadratic"),
            "kept": (0.4, 0.2),
        },
    ),
    "convolutions": ("mobile_small", {}, {}),
    "masks and polynomials": (
        "mpc_resnet",
        {},
        {
            "kept": (0.5, 0.0, 1.0, 0.25),
            "rest": ("polynomial", "polynomial", "identity"),
            "granularity": ("pixel", "channel"),
        },
    ),
}


@needs_engine
@pytest.mark.parametrize("case", CASES)
def test_private_logits_are_those_of_torch(case: str, pool: Pool) -> None:
    name, options, wanted = CASES[case]
    space = get_space(name, **{**SMALL[name], **options})
    architecture = _options(space, **wanted)
    network = placed_blocks(space, architecture)
    torch.manual_seed(0)
    images = torch.randn(IMAGES, *network[0].block.in_shape)
    subnet = Supernet(space, seed=1).subnet(architecture)
    _make_ordinary(subnet, images)
    program = program_of(network)
    arrays = network_arrays(network, list(subnet.blocks.values()))
    wanted_shapes = {key: mask.shape for key, mask in program.masks.items()} | program.shapes
    assert {"input": program.shapes["input"]} | {
        key: value.shape for key, value in arrays.items()
    } == wanted_shapes
    with torch.no_grad():
        expected = subnet(images).numpy()
    answers = [_run(pool, program, arrays, image.numpy()) for image in images]
    predicted = predict(program, Laws(SEMI2K))
    for answer in answers:
        assert answer["online_bytes"] == predicted.online_bytes
        assert answer["sends"] == predicted.sends
    private = np.array([answer["output"] for answer in answers])
    assert np.abs(private - expected).max() < LARGEST_DIFFERENCE
    assert (private.argmax(1) == expected.argmax(1)).all()


def _make_ordinary(subnet: nn.Module, images: torch.Tensor) -> None:
    """Give norms scales and shifts that matter, and logits a standard deviation of 1."""
    with torch.no_grad():
        for parameter in subnet.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
        for module in subnet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        subnet.train()(images)
        subnet.eval()
        classifier = [m for m in subnet.modules() if isinstance(m, nn.Linear)][-1]
        deviation = subnet(images).std()
        classifier.weight /= deviation
        classifier.bias /= deviation


def _run(
    pool: Pool,
    program: Program,
    arrays: dict[str, NDArray[np.float32]],
    image: NDArray[np.float32],
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, input=image_array(image), **arrays)
        masks = list(program.masks)
        return pool.run({"steps": program.steps, "arrays": str(path), "masks": masks})
