"""The model card and the numbers beside it: complete, escaped, and its code runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.archive import Metric
from nas.errors import ExportError
from nas.export import read_measurements, write_measurements
from nas.export.card import model_card
from nas.text import title
from predictors import Provenance


def card_of(exported: Any) -> str:
    return str((exported.folder / "README.md").read_text(encoding="utf-8"))


def test_the_header_is_yaml_that_says_the_accuracy(exported: Any) -> None:
    yaml = pytest.importorskip("yaml")
    header = yaml.safe_load(card_of(exported).split("---")[1])
    assert header["pipeline_tag"] == "image-classification"
    result = header["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == pytest.approx(0.9312)
    assert result["metrics"][0]["name"] == "test split, 360 images"
    assert result["dataset"]["name"] == "60 random images"


def test_every_number_is_in_the_card_with_its_origin(exported: Any) -> None:
    card = card_of(exported)
    metrics = read_measurements(exported.folder)
    assert {"macs", "test_accuracy", "difference_onnx"} <= set(metrics)
    for name, metric in metrics.items():
        (line,) = [row for row in card.splitlines() if row.startswith(f"| {title(name)} |")]
        assert str(metric.provenance) in line


def test_words_of_the_user_cannot_break_the_card(exported: Any) -> None:
    card = card_of(exported)
    assert "<3>" not in card  # the class names of the fixture hold < > and |
    assert "class &lt;3>" in card
    evil = Provenance("measured", "a | b\n| c | <script>", "d\n\n# e")
    manifest = exported.manifest
    text = model_card(manifest, {"macs": Metric(1.0, evil)}, files=())
    assert "<script>" not in text
    assert "\n# e" not in text
    assert r"a \| b \| c \|" in text


def test_the_code_in_the_card_runs(exported: Any, small: Any, tmp_path: Path) -> None:
    """Every block of the card, in its order, on real pixels, gives the subnet's logits."""
    blocks = re.findall(r"```python\n(.*?)```", card_of(exported), flags=re.S)
    assert len(blocks) == 4  # preprocessing and three formats
    torch.save(small.images.images[:5], tmp_path / "pixels.pt")
    code = [
        "import json, sys, torch",
        "pixels = torch.load(sys.argv[1], weights_only=True)",
        "found = []",
        blocks[0],
    ]
    for block in blocks[1:]:
        code += [block, "found.append(torch.as_tensor(logits).tolist())"]
    code.append("print(json.dumps(found))")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code), str(tmp_path / "pixels.pt")],
        cwd=exported.folder,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[3]), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    with torch.inference_mode():
        wanted = small.subnet(small.batch(5))
    for logits in json.loads(done.stdout):
        assert torch.allclose(torch.tensor(logits), wanted, atol=1e-4)


def test_numbers_are_added_and_replaced(damaged: Path) -> None:
    origin = Provenance("measured", "a stopwatch", "this machine", "onnxruntime 1", "2026-01-03")
    write_measurements(damaged, {"latency_ms_measured": Metric(1.25, origin)})
    write_measurements(damaged, {"macs": Metric(5.0, origin)})
    metrics = read_measurements(damaged)
    assert metrics["latency_ms_measured"] == Metric(1.25, origin)
    assert metrics["macs"].value == 5.0
    card = (damaged / "README.md").read_text(encoding="utf-8")
    assert "| Measured latency | 1.25 ms | measured, a stopwatch, this machine" in card


@pytest.mark.parametrize(
    "text", ["", "[]", '{"macs": 3}', '{"macs": {"value": 1}}', '{"macs": {"value": NaN, "x": 1}}']
)
def test_damaged_numbers_are_refused(damaged: Path, text: str) -> None:
    (damaged / "measurements.json").write_text(text)
    with pytest.raises(ExportError, match=r"measurements\.json is damaged"):
        read_measurements(damaged)
