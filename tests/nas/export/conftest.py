"""Subnets to export, and one export in all formats, made once; damage is done to a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.archive import Metric
from nas.data.image_set import ImageSet
from nas.data.transforms import normalise, resize
from nas.export import ExportedFiles, Manifest, export_subnet
from predictors import Provenance
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.supernet import build_network
from tests.small_spaces import SMALL

SPACES: dict[str, dict[str, Any]] = {
    **SMALL,
    "mobile_small": {"classes": 10, "channels": 1, "resolutions": [16, 20]},
    "ofa_mobilenet_v3": {"classes": 5, "resolutions": [32, 48]},
    "spos_shufflenet_v2": {"classes": 5, "resolution": 64},
}


@dataclass(frozen=True)
class Exportable:
    """A network, what it is, and images for it."""

    subnet: nn.Module
    manifest: Manifest
    images: ImageSet

    def batch(self, n: int = 8) -> torch.Tensor:
        """The first images as the network takes them."""
        ready = normalise(self.images.images[:n], self.manifest.mean, self.manifest.std)
        return resize(ready, self.manifest.input_shape[-1])


def shortest(space: SearchSpace, rng: np.random.Generator) -> Architecture:
    """Of random architectures with the most kinds of blocks the one with the fewest blocks."""

    def kinds_and_length(architecture: Architecture) -> tuple[int, int]:
        blocks = [block for block in space.blocks(architecture).values() if block is not None]
        kinds = {(type(block), getattr(block, "act", None)) for block in blocks}
        return len(kinds), -len(blocks)

    drawn = space.decode_all(space.canonical(space.sample(100, rng)))
    return max(drawn, key=kinds_and_length)


def exportable(name: str, seed: int = 0, *, short: bool = False) -> Exportable:
    """A random architecture of a space, whose running statistics have seen images.

    Converting takes as long as a network has layers, so it may be a short one.
    """
    space = get_space(name, **SPACES[name])
    rng = np.random.default_rng(seed)
    architecture = (
        shortest(space, rng) if short else space.decode(space.canonical(space.sample(1, rng))[0])
    )
    channels, height, width = space.input_shape_of(architecture)
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (60, channels, 24, 24), generator=generator).to(torch.uint8)
    network = build_network(space, architecture, seed=seed)
    classes = SPACES[name].get("classes", 10)
    names = tuple(f"class <{i}> | x" for i in range(classes))
    labels = torch.randint(0, classes, (60,), generator=generator)
    manifest = Manifest(
        space_name=name,
        space_options=space.options,
        id=space.id_of(architecture),
        architecture=architecture,
        input_shape=(channels, height, width),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        class_names=names,
        dataset="60 random images",
    )
    result = Exportable(network, manifest, ImageSet(pixels, labels, names))
    with torch.no_grad():
        network.train()(result.batch(60))  # moves the running statistics
    network.eval()
    return result


@pytest.fixture(scope="session")
def make_exportable() -> Callable[..., Exportable]:
    return exportable


@pytest.fixture(scope="session")
def export() -> Callable[..., ExportedFiles]:
    """Exports a subject to a folder in some formats."""

    def run(subject: Exportable, folder: Path, *formats: str) -> ExportedFiles:
        return export_subnet(
            subject.subnet,
            folder,
            manifest=subject.manifest,
            formats=formats,
            check_images=subject.batch(),
        )

    return run


@pytest.fixture(scope="session")
def small() -> Exportable:
    return exportable("mobile_small")


@pytest.fixture(scope="session")
def exported(small: Exportable, tmp_path_factory: pytest.TempPathFactory) -> ExportedFiles:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    test = Provenance("measured", "test split, 360 images", "cpu", "torch 2", "2026-01-02")
    return export_subnet(
        small.subnet,
        tmp_path_factory.mktemp("run") / "exports" / small.manifest.id,
        manifest=small.manifest,
        formats=("safetensors", "onnx", "pt2"),
        check_images=small.batch(),
        measurements={
            "macs": Metric(1_234_567.0, Provenance("analytic", "counted")),
            "test_accuracy": Metric(0.9312, test),
        },
    )


@pytest.fixture
def damaged(exported: ExportedFiles, tmp_path: Path) -> Path:
    """A copy of the export, to be damaged."""
    folder = tmp_path / exported.folder.name
    shutil.copytree(exported.folder, folder)
    return folder
