"""Exporting one subnet: a folder that is there whole or not at all."""

from __future__ import annotations

import copy
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from nas.archive import Metric
from nas.errors import ExportError, nearest
from nas.export.manifest import MANIFEST, Manifest
from nas.export.measurements import write_measurements
from nas.export.onnx_file import ONNX, onnx_predictor, require_onnx, runtime_version, save_onnx
from nas.export.program import PROGRAM, capture, digest_of, load_program, save_program
from nas.export.weights import WEIGHTS, load_exported, save_weights
from nas.files import atomic_write, write_error
from predictors.provenance import Provenance

__all__ = ["FORMATS", "ExportedFiles", "export_subnet"]

FORMATS = {"safetensors": WEIGHTS, "onnx": ONNX, "pt2": PROGRAM}

TOLERANCE = 1e-4
"""Largest difference between an exported file's logits and torch's, relative to the largest
logit, or absolute where that is below one; float32 sums in another order stay far below it."""

_PREFIX = ".writing-"


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """What an export made.

    Attributes:
        folder: Where it lies.
        manifest: What the subnet is.
        paths: File of each format.
        digests: SHA-256 of each file, by format.
        differences: Largest absolute difference of the logits to the subnet's, by format.
    """

    folder: Path
    manifest: Manifest
    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    differences: Mapping[str, float]


def export_subnet(
    subnet: nn.Module,
    folder: Path | str,
    *,
    manifest: Manifest,
    formats: Sequence[str],
    check_images: torch.Tensor,
    measurements: Mapping[str, Metric] | None = None,
) -> ExportedFiles:
    """Write a subnet with its description, and check every file against the subnet.

    The folder appears, or replaces the one that was there, only when everything is written
    and checked.

    Args:
        subnet: A plain module on any device; it is not changed.
        folder: The folder to make, usually ``exports/<id>``.
        manifest: What the subnet is.
        formats: Some of ``safetensors``, ``onnx`` and ``pt2``.
        check_images: float32 [n, C, H, W], real images, normalised and of the subnet's
            resolution; the files must give the subnet's logits on them.
        measurements: Numbers that are known already; `write_measurements` adds more later.

    Raises:
        ExportError: An unknown format, images of another shape, or a file that does not
            compute what the subnet computes.
        MissingExtraError: ONNX was asked for and is not installed.
        RunError: The disk is full or the place not writable.
    """
    folder = Path(folder)
    _check_request(manifest, formats, check_images)
    plain = copy.deepcopy(subnet).cpu().eval()
    images = check_images.detach().to("cpu", torch.float32).contiguous()
    with _replacing(folder) as new:
        text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False)
        atomic_write(new / MANIFEST, text + "\n")
        _write(plain, new, formats, images)
        digests = {name: digest_of(new / FORMATS[name]) for name in formats}
        differences = _differences(plain, new, digests, images)
        checks = _check_metrics(differences, len(images))
        write_measurements(new, {**(measurements or {}), **checks})
    paths = {name: folder / FORMATS[name] for name in formats}
    return ExportedFiles(folder, manifest, paths, digests, differences)


def _check_request(manifest: Manifest, formats: Sequence[str], images: torch.Tensor) -> None:
    """Refuse what cannot be exported before anything is written."""
    for name in formats:
        if name not in FORMATS:
            raise ExportError(f"there is no export format {name!r}. {nearest(name, FORMATS)}")
    if not formats:
        raise ExportError(f"no export format was given; choose from {', '.join(FORMATS)}.")
    if images.ndim != 4 or not len(images) or tuple(images.shape[1:]) != manifest.input_shape:
        raise ExportError(
            f"the images to check the export on have the shape {list(images.shape)}; "
            f"needed is [n, {', '.join(map(str, manifest.input_shape))}] with n at least 1."
        )
    if "onnx" in formats:
        require_onnx()


def _write(plain: nn.Module, folder: Path, formats: Sequence[str], images: torch.Tensor) -> None:
    if "safetensors" in formats:
        save_weights(plain, folder / WEIGHTS)
    if "onnx" in formats or "pt2" in formats:
        program = capture(plain, images)
        if "pt2" in formats:
            save_program(program, folder / PROGRAM)
        if "onnx" in formats:
            save_onnx(program, folder / ONNX)


@torch.inference_mode()
def _differences(
    plain: nn.Module, folder: Path, digests: Mapping[str, str], images: torch.Tensor
) -> dict[str, float]:
    """Read every file back and compare its logits on all images, and on one, with torch's.

    Raises:
        ExportError: They differ by more than `TOLERANCE`.
    """
    expected = torch.cat([plain(images), plain(images[:1])])
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    found = {}
    for name, digest in digests.items():
        predict = _predictor(name, folder, digest)
        logits = torch.cat([predict(images), predict(images[:1])])
        difference = float((logits - expected).abs().max())
        if not difference <= allowed:  # NaN too
            raise ExportError(
                f"{FORMATS[name]} of subnet {folder.name.rpartition('-')[2]} does not compute "
                f"what the subnet computes: its logits differ by up to {difference:.3g} on "
                f"{len(images)} images, allowed is {allowed:.3g}. Leave the format {name} out."
            )
        found[name] = difference
    return found


def _predictor(format: str, folder: Path, digest: str) -> Callable[[torch.Tensor], torch.Tensor]:
    if format == "onnx":
        return onnx_predictor(folder / ONNX)
    if format == "pt2":
        return load_program(folder / PROGRAM, digest=digest)
    return load_exported(folder)


def _check_metrics(differences: Mapping[str, float], images: int) -> dict[str, Metric]:
    today = datetime.now(UTC).date().isoformat()
    metrics = {}
    for name, value in differences.items():
        runtime = runtime_version() if name == "onnx" else f"torch {torch.__version__}"
        source = f"{FORMATS[name]} against the subnet in torch, logits of {images} images"
        metrics[f"difference_{name}"] = Metric(
            value, Provenance("measured", source, "CPU", runtime, today)
        )
    return metrics


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `folder` when the block succeeds.

    Raises:
        RunError: The disk is full or the place not writable.
    """
    for leftover in folder.parent.glob(f"{_PREFIX}*-{folder.name}"):
        shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed
    new = folder.with_name(f"{_PREFIX}{secrets.token_hex(4)}-{folder.name}")
    try:
        new.mkdir(parents=True)
        yield new
        _swap(new, folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(new: Path, folder: Path) -> None:
    """Put a complete folder in place of an older one."""
    if folder.exists():
        old = folder.with_name(f"{_PREFIX}{secrets.token_hex(4)}-{folder.name}")
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        new.rename(folder)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(handle)  # the new name survives a power cut
    finally:
        os.close(handle)
