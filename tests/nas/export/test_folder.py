"""Exporting a subnet: every file checked against torch, the folder whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nas.errors import ExportError, MissingExtraError, RunError
from nas.export import ExportedFiles, export_subnet, load_exported, read_measurements
from nas.export.folder import TOLERANCE
from search_spaces import list_spaces, read_architecture


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_writes_every_file_and_no_other(exported: ExportedFiles) -> None:
    assert names(exported.folder) == [
        "README.md",
        "architecture.json",
        "measurements.json",
        "model.onnx",
        "model.pt2",
        "model.safetensors",
    ]
    assert names(exported.folder.parent) == [exported.folder.name]


def test_every_file_computes_what_the_subnet_computes(exported: ExportedFiles) -> None:
    assert exported.differences["safetensors"] == 0.0
    assert set(exported.differences) == {"safetensors", "onnx", "pt2"}
    assert max(exported.differences.values()) < TOLERANCE
    stated = read_measurements(exported.folder)
    for name, value in exported.differences.items():
        assert stated[f"difference_{name}"].value == value
        assert "8 images" in stated[f"difference_{name}"].provenance.source


def test_the_caller_s_module_is_not_changed(export: Any, small: Any, tmp_path: Path) -> None:
    small.subnet.train()
    try:
        before = {name: value.clone() for name, value in small.subnet.state_dict().items()}
        export(small, tmp_path / "a", "safetensors")
        assert small.subnet.training
        after = small.subnet.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
    finally:
        small.subnet.eval()


@pytest.mark.slow
@pytest.mark.parametrize("space", [name for name in list_spaces() if name != "mobile_small"])
def test_every_other_space_exports_in_every_format(
    export: Any, make_exportable: Any, space: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    subject = make_exportable(space, seed=3, short=True)
    files = export(subject, tmp_path / subject.manifest.id, "safetensors", "onnx", "pt2")
    assert max(files.differences.values()) < TOLERANCE * 10


def test_the_architecture_file_says_all_that_is_needed(
    exported: ExportedFiles, small: Any
) -> None:
    value = json.loads((exported.folder / "architecture.json").read_text(encoding="utf-8"))
    assert value["space"]["name"] == "mobile_small"
    assert value["id"] == small.manifest.id
    assert value["input"]["shape"] == list(small.manifest.input_shape)
    assert value["classes"] == list(small.manifest.class_names)
    assert read_architecture(exported.folder / "architecture.json") == small.manifest.architecture


def test_the_conversion_is_silent(small: Any, tmp_path: Path) -> None:
    """Torch warns of a package that is not needed; no user should read that."""
    pytest.importorskip("onnxscript")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from conftest import exportable\n"
        "from nas.export import export_subnet\n"
        "s = exportable('mobile_small')\n"
        "export_subnet(s.subnet, Path(sys.argv[2]), manifest=s.manifest, check_images=s.batch(),\n"
        "    formats=('onnx', 'pt2'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path / "x")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout + done.stderr == ""


def test_exporting_again_replaces_the_folder(export: Any, small: Any, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    export(small, folder, "safetensors")
    assert "old.txt" not in names(folder)
    assert names(tmp_path) == ["a"]


def test_a_network_that_changes_on_the_way_is_refused(
    export: Any, small: Any, tmp_path: Path
) -> None:
    """Weights of one subnet under the description of another must not become an export."""
    folder = tmp_path / "a"
    export(small, folder, "safetensors")
    before = (folder / "model.safetensors").read_bytes()

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = small.subnet.blocks  # the same names and weights, other outputs
            self.inner = [small.subnet]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner[0](x) + 1.0

    with pytest.raises(ExportError, match="does not compute what the subnet computes"):
        export(replace(small, subnet=Shifted()), folder, "safetensors")
    assert (folder / "model.safetensors").read_bytes() == before
    assert names(tmp_path) == ["a"]


def test_a_network_with_nan_is_refused(
    export: Any, make_exportable: Any, small: Any, tmp_path: Path
) -> None:
    broken = make_exportable("mobile_small")
    with torch.no_grad():
        next(broken.subnet.parameters()).fill_(float("nan"))
    with pytest.raises(ExportError, match="differ by up to nan"):
        export(broken, tmp_path / "a", "safetensors")
    assert names(tmp_path) == []


def test_a_kill_leaves_no_half_folder(export: Any, make_exportable: Any, tmp_path: Path) -> None:
    """The process is killed while it writes; the next export tidies up."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from conftest import exportable\n"
        "import nas.export.folder as folder\n"
        "folder.write_measurements = lambda *a: (print('writing', flush=True), time.sleep(60))\n"
        "s = exportable('mobile_small')\n"
        "folder.export_subnet(s.subnet, Path(sys.argv[2]), manifest=s.manifest,\n"
        "    check_images=s.batch(), formats=('safetensors',))\n"
    )
    target = tmp_path / "a"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(target)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    assert len(names(tmp_path)) == 1  # what it had written, under a hidden name
    subject = make_exportable("mobile_small")
    export(subject, target, "safetensors")
    assert names(tmp_path) == ["a"]


def test_an_interrupt_cleans_up(
    export: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.export.folder.write_measurements", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(small, tmp_path / "a", "safetensors")
    assert names(tmp_path) == []


def test_a_full_disk_is_said_and_leaves_nothing(export: Any, small: Any, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 200 * 1024)
    with pytest.raises(RunError, match="disk full"):
        export(small, small_disk / "a", "safetensors")
    assert names(small_disk) == ["ballast"]


def test_an_unknown_format_names_the_nearest(export: Any, small: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no export format 'onx'\. Did you mean 'onnx'"):
        export(small, tmp_path / "a", "onx")


def test_no_format_is_refused(export: Any, small: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="choose from safetensors, onnx, pt2"):
        export(small, tmp_path / "a")


def test_images_of_another_shape_are_refused(small: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"shape \[2, 1, 9, 9\]"):
        export_subnet(
            small.subnet,
            tmp_path / "a",
            manifest=small.manifest,
            formats=("safetensors",),
            check_images=torch.zeros(2, 1, 9, 9),
        )


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(
    export: Any, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    def without(name: str) -> object:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return object()

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MissingExtraError, match=rf"`{package}`.*subnet-search\[export\]"):
        export(small, tmp_path / "a", "onnx")
    assert names(tmp_path) == []


def test_the_exporter_is_not_imported_for_other_formats() -> None:
    code = (
        "import sys, nas.export.folder\n"
        "print([m for m in ('onnx', 'onnxruntime', 'onnxscript') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_lone_image_is_enough_to_check_on(small: Any, tmp_path: Path) -> None:
    files = export_subnet(
        small.subnet,
        tmp_path / "a",
        manifest=small.manifest,
        formats=("pt2",),
        check_images=small.batch(1),
    )
    program = torch.export.load(files.paths["pt2"]).module()
    with torch.inference_mode():
        for n in (1, 2, 7):
            assert torch.allclose(program(small.batch(n)), small.subnet(small.batch(n)), atol=1e-5)


def test_loading_does_not_need_the_one_who_exported(exported: ExportedFiles) -> None:
    """A process that knows only the folder gets the same logits."""
    code = (
        "import sys, torch\n"
        "from nas.export import load_exported\n"
        "m = load_exported(sys.argv[1])\n"
        "with torch.inference_mode():\n"
        "    print(m(torch.full((1, 1, *[m_ for m_ in [int(sys.argv[2])] * 2]), 0.5)).tolist())"
    )
    side = exported.manifest.input_shape[-1]
    command = [sys.executable, "-c", code, str(exported.folder), str(side)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with torch.inference_mode():
        here = load_exported(exported.folder)(torch.full((1, 1, side, side), 0.5))
    assert torch.allclose(torch.tensor(json.loads(done.stdout)), here, atol=1e-6)
