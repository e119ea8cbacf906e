"""README.md of an export: a model card in the manner of Hugging Face, text only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nas.archive import Metric
from nas.export.manifest import Manifest
from nas.metric_names import is_latency, measured, split_place
from nas.text import quantity, title

__all__ = ["model_card"]

_LOAD = {
    "model.safetensors": (
        "PyTorch module (safetensors weights, `architecture.json` names the network)",
        'from nas.export import load_exported\n\nmodel = load_exported(".")',
        "logits = model(images)",
    ),
    "model.onnx": (
        "ONNX",
        "import onnxruntime\n\n"
        "session = onnxruntime.InferenceSession(\n"
        '    "model.onnx", providers=["CPUExecutionProvider"]\n)',
        '(logits,) = session.run(None, {"images": images.numpy()})',
    ),
    "model.pt2": (
        "torch.export program (load only files you trust: the format can carry code)",
        'import torch\n\nmodel = torch.export.load("model.pt2").module()',
        "logits = model(images)",
    ),
}
_FIRST = (
    "test_accuracy",
    "accuracy",
    "exported_accuracy",
    "macs",
    "params",
    "peak_memory_bytes",
    "latency_ms",
    "latency_ms_measured",
)


def model_card(manifest: Manifest, metrics: Mapping[str, Metric], *, files: Sequence[str]) -> str:
    """Return the card as Markdown with a YAML header.

    Args:
        manifest: What the subnet is.
        metrics: Every number known of it.
        files: Names of the model files beside the card.
    """
    channels, height, width = manifest.input_shape
    what = (
        f"An image classifier with {len(manifest.class_names)} classes for {width} x {height} "
        f"images with {channels} channel{'s' * (channels > 1)}: subnet `{manifest.id}` of a "
        f"weight-sharing supernet over the search space `{manifest.space_name}`"
    )
    parts = [
        _header(manifest, metrics),
        f"# {manifest.space_name} {manifest.id}",
        f"{what}{_training(manifest)}.",
        "## Numbers",
        _numbers(metrics),
        "MACs are multiply-accumulates of convolution, linear and attention matmuls for one "
        "image; many publications call them FLOPs.",
        "## Preprocessing",
        _preprocessing(manifest),
        "## Loading",
        *(_loading(name) for name in files if name in _LOAD),
        "## Architecture",
        _fenced("json", json.dumps(manifest.architecture.to_json(), indent=2)),
        "## Classes",
        ", ".join(f"{i} {_cell(name)}" for i, name in enumerate(manifest.class_names)),
    ]
    return "\n\n".join(parts) + "\n"


def _training(manifest: Manifest) -> str:
    """Return what the weights and, where they are from elsewhere, the statistics are of."""
    dataset, weights = _one_line(manifest.dataset), _one_line(manifest.weights)
    if not weights:
        return f", trained on {dataset}" if dataset else ""
    scored = f"; batch-norm statistics and accuracy are those on {dataset}" if dataset else ""
    return f". Its weights were trained elsewhere: {weights}{scored}"


def _header(manifest: Manifest, metrics: Mapping[str, Metric]) -> str:
    """Return the YAML header; JSON strings are valid YAML."""
    lines = [
        "---",
        "library_name: subnet-search",
        "pipeline_tag: image-classification",
        "tags:",
        "- image-classification",
        "- neural-architecture-search",
        f"- {json.dumps(manifest.space_name)}",
    ]
    accuracy = metrics.get("test_accuracy")
    if accuracy is not None:
        lines += [
            "model-index:",
            f"- name: {json.dumps(f'{manifest.space_name}-{manifest.id}')}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            f"      name: {json.dumps(_one_line(manifest.dataset) or 'unnamed')}",
            f"      type: {json.dumps(_one_line(manifest.dataset) or 'unnamed')}",
            "    metrics:",
            "    - type: accuracy",
            f"      value: {accuracy.value:.6f}",
            f"      name: {json.dumps(_one_line(accuracy.provenance.source))}",
        ]
    return "\n".join([*lines, "---"])


def _numbers(metrics: Mapping[str, Metric]) -> str:
    if not metrics:
        return "None was recorded."
    first = [name for base in _FIRST for name in sorted(metrics) if split_place(name)[1] == base]
    rest = sorted(set(metrics) - set(first))
    rows = ["| what | value | where it comes from |", "|---|---:|---|"]
    for name in first + rest:
        value, origin = metrics[name].value, str(metrics[name].provenance)
        rows.append(f"| {title(name)} | {quantity(name, value)} | {_cell(origin)} |")
    untimed = [n for n in first if is_latency(n) and measured(n) not in metrics]
    if untimed:
        names = ", ".join(title(name) for name in untimed)
        rows += ["", f"Only predicted; the export timed nothing in that place: {names}."]
    return "\n".join(rows)


def _preprocessing(manifest: Manifest) -> str:
    _, height, width = manifest.input_shape
    mean, std = list(manifest.mean), list(manifest.std)
    code = (
        "import torch\n"
        "from torch.nn.functional import interpolate\n\n"
        f"mean = torch.tensor({mean}).view(1, -1, 1, 1)\n"
        f"std = torch.tensor({std}).view(1, -1, 1, 1)\n"
        "images = (pixels.float() / 255 - mean) / std  # pixels: uint8 [n, c, h, w]\n"
        f'images = interpolate(images, size=({height}, {width}), mode="bilinear", antialias=True)'
    )
    return _fenced("python", code)


def _loading(name: str) -> str:
    heading, load, use = _LOAD[name]
    return f"### {heading}\n\n" + _fenced("python", f"{load}\n{use}")


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    """Return text that cannot end a table cell or start a tag."""
    escaped = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return escaped.replace("`", "\\`")
