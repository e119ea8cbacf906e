"""The accuracy of exported files, measured again with the very file that is handed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import torch

from nas.archive import Metric
from nas.data.batching import batches
from nas.data.streaming import Images
from nas.data.transforms import normalise, resize
from nas.errors import ExportError
from nas.export.folder import ExportedFiles
from nas.export.manifest import Manifest
from nas.export.onnx_file import onnx_predictor, runtime_version
from nas.export.program import load_program
from nas.export.weights import load_exported
from predictors.provenance import Provenance

__all__ = ["exported_accuracy"]

Predict = Callable[[torch.Tensor], torch.Tensor]


def exported_accuracy(
    files: ExportedFiles,
    image_set: Images,
    *,
    format: str,
    split: str = "test",
    batch_size: int = 250,
    threads: int | None = None,
) -> Metric:
    """Load one exported file and run it over a whole split.

    Args:
        files: What `export_subnet` returned.
        image_set: Images of any size; they are normalised and resized as the file expects.
        format: ``safetensors``, ``onnx`` or ``pt2``.
        split: Name of the split, for the provenance.
        batch_size: Images in a batch.
        threads: Of ONNX Runtime; none leaves the choice to it.

    Returns:
        The share of images classified rightly, in [0, 1].

    Raises:
        ExportError: The format was not exported, or the file is damaged.
    """
    if format not in files.paths:
        exported = ", ".join(files.paths)
        raise ExportError(f"{files.folder} was not exported as {format!r}, only as {exported}.")
    path = files.paths[format]
    predict: Predict
    runtime = f"torch {torch.__version__}"
    if format == "onnx":
        predict, runtime = onnx_predictor(path, threads=threads), runtime_version()
    elif format == "pt2":
        predict = load_program(path, digest=files.digests[format])
    else:
        predict = load_exported(files.folder)
    value = _accuracy(predict, image_set, files.manifest, batch_size)
    source = f"{path.name} on the {split} split, {len(image_set)} images"
    today = datetime.now(UTC).date().isoformat()
    return Metric(value, Provenance("measured", source, "CPU", runtime, today))


@torch.inference_mode()
def _accuracy(predict: Predict, image_set: Images, manifest: Manifest, batch_size: int) -> float:
    channels, _, resolution = manifest.input_shape
    if image_set.shape[0] != channels:
        raise ExportError(
            f"the images have {image_set.shape[0]} channels, the exported subnet takes {channels}."
        )
    if not len(image_set):
        raise ExportError("there are no images to measure the accuracy on.")
    right = 0
    for images, labels in batches(image_set, batch_size):
        ready = resize(normalise(images.cpu(), manifest.mean, manifest.std), resolution)
        right += int((predict(ready).argmax(dim=1) == labels.cpu()).sum())
    return right / len(image_set)
