"""The accuracy of the exported files, against a count by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.data.image_set import ImageSet
from nas.data.transforms import normalise, resize
from nas.errors import ExportError
from nas.export import exported_accuracy

FORMATS = ("safetensors", "onnx", "pt2")


def by_hand(subject: Any, images: ImageSet) -> float:
    """One image at a time through the original subnet."""
    manifest, right = subject.manifest, 0
    with torch.inference_mode():
        for pixels, label in zip(images.images, images.labels, strict=True):
            ready = normalise(pixels[None], manifest.mean, manifest.std)
            logits = subject.subnet(resize(ready, manifest.input_shape[-1]))
            right += int(logits.argmax() == label)
    return right / len(images)


@pytest.fixture(scope="module")
def labelled(small: Any) -> ImageSet:
    """Images half of which carry the label that the subnet gives them."""
    with torch.inference_mode():
        labels = small.subnet(small.batch(60)).argmax(dim=1).clone()
        labels[30:] = (labels[30:] + 1) % 10
    return replace(small.images, labels=labels)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("batch_size", [1, 7, 250])
def test_every_format_gives_the_count_by_hand(
    exported: Any, small: Any, labelled: ImageSet, format: str, batch_size: int
) -> None:
    metric = exported_accuracy(exported, labelled, format=format, batch_size=batch_size)
    assert metric.value == by_hand(small, labelled) == 0.5


@pytest.mark.parametrize("format", FORMATS)
def test_the_number_says_where_it_comes_from(
    exported: Any, labelled: ImageSet, format: str
) -> None:
    metric = exported_accuracy(exported, labelled, format=format, split="validation")
    assert metric.provenance.kind == "measured"
    assert metric.provenance.source == f"model.{format} on the validation split, 60 images"
    assert metric.provenance.runtime.startswith("onnxruntime" if format == "onnx" else "torch")
    assert metric.provenance.date


def test_it_is_the_file_that_is_measured(exported: Any, damaged: Path, labelled: Any) -> None:
    """Other weights in the file must show in the number."""
    import safetensors.torch

    path = damaged / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    head = next(name for name in reversed(weights) if "head" in name and name.endswith("bias"))
    weights[head] = torch.zeros_like(weights[head])
    weights[head][3] = 1e6  # always class 3
    safetensors.torch.save_file(weights, path)
    files = replace(exported, folder=damaged, paths={"safetensors": path})
    metric = exported_accuracy(files, labelled, format="safetensors")
    assert metric.value == float((labelled.labels == 3).float().mean())


def test_a_program_that_was_changed_is_not_read(
    exported: Any, damaged: Path, labelled: Any
) -> None:
    """A .pt2 file can carry code; only the bytes this process wrote are loaded."""
    path = damaged / "model.pt2"
    path.write_bytes(path.read_bytes() + b"\0")
    files = replace(exported, folder=damaged, paths={"pt2": path})
    with pytest.raises(ExportError, match="its contents have changed"):
        exported_accuracy(files, labelled, format="pt2")


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing"])
def test_a_damaged_onnx_file_is_refused(
    exported: Any, damaged: Path, labelled: Any, damage: str
) -> None:
    path = damaged / "model.onnx"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        path.write_bytes(b"hello")
    else:
        path.unlink()
    files = replace(exported, folder=damaged, paths={"onnx": path})
    with pytest.raises(ExportError, match=r"model\.onnx (is no ONNX model|does not exist)"):
        exported_accuracy(files, labelled, format="onnx")


def test_a_format_that_was_not_exported_is_named(exported: Any, labelled: Any) -> None:
    with pytest.raises(ExportError, match="was not exported as 'tflite', only as safetensors"):
        exported_accuracy(exported, labelled, format="tflite")


def test_images_of_other_channels_are_refused(exported: Any, labelled: Any) -> None:
    colour = replace(labelled, images=labelled.images.expand(-1, 3, -1, -1))
    with pytest.raises(ExportError, match="have 3 channels, the exported subnet takes 1"):
        exported_accuracy(exported, colour, format="safetensors")


def test_no_images_are_refused(exported: Any, labelled: Any) -> None:
    empty = labelled.select(torch.empty(0, dtype=torch.int64))
    with pytest.raises(ExportError, match="no images"):
        exported_accuracy(exported, empty, format="safetensors")
