"""Loading an export: the same network comes back, damaged or foreign files are refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from nas.errors import ExportError
from nas.export import load_exported, read_manifest


def edit(folder: Path, change: Any) -> None:
    """Change architecture.json."""
    path = folder / "architecture.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_the_same_network_comes_back(exported: Any, small: Any) -> None:
    network = load_exported(exported.folder)
    assert not network.training
    with torch.inference_mode():
        assert torch.equal(network(small.batch(20)), small.subnet(small.batch(20)))


def test_the_manifest_comes_back(exported: Any, small: Any) -> None:
    assert read_manifest(exported.folder) == small.manifest


@pytest.mark.parametrize("keep", [0, 7, 300, 0.5, 0.99])
def test_truncated_weights_are_refused(damaged: Path, keep: float) -> None:
    path = damaged / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(ExportError, match=r"model\.safetensors is damaged"):
        load_exported(damaged)


def test_a_pickle_under_the_name_of_weights_is_refused(damaged: Path) -> None:
    torch.save({"a": torch.zeros(1)}, damaged / "model.safetensors")
    with pytest.raises(ExportError, match="is damaged"):
        load_exported(damaged)
    (damaged / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ExportError, match="is damaged"):
        load_exported(damaged)


def test_weights_of_another_network_are_refused(damaged: Path) -> None:
    path = damaged / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    name = next(iter(weights))
    safetensors.torch.save_file({**weights, name: torch.zeros(3)}, path)
    with pytest.raises(ExportError, match=rf"another network: {name} is \[3\], the architecture"):
        load_exported(damaged)
    del weights[name]
    safetensors.torch.save_file(weights, path)
    with pytest.raises(ExportError, match=rf"{name} is missing"):
        load_exported(damaged)
    safetensors.torch.save_file({"else": torch.zeros(3)}, path)
    with pytest.raises(ExportError, match="another network"):
        load_exported(damaged)


def test_missing_files_are_named(damaged: Path, tmp_path: Path) -> None:
    (damaged / "model.safetensors").unlink()
    with pytest.raises(ExportError, match=r"holds no model\.safetensors"):
        load_exported(damaged)
    with pytest.raises(ExportError, match="is no export folder"):
        load_exported(tmp_path / "nowhere")


def test_an_architecture_of_another_space_version_is_refused(damaged: Path) -> None:
    edit(damaged, lambda value: value.update(id="0123456789abcdef"))
    with pytest.raises(ExportError, match=r"0123456789abcdef is .* in this version's space"):
        load_exported(damaged)


def test_an_unknown_space_names_the_nearest(damaged: Path) -> None:
    edit(damaged, lambda value: value["space"].update(name="mobile_smal"))
    with pytest.raises(ExportError, match="Did you mean 'mobile_small'"):
        load_exported(damaged)


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"space": 3}', "\x00"])
def test_a_damaged_architecture_file_is_refused(damaged: Path, text: str) -> None:
    (damaged / "architecture.json").write_text(text)
    with pytest.raises(ExportError, match="Export the subnet again"):
        load_exported(damaged)


def test_wrong_values_are_named(damaged: Path) -> None:
    edit(damaged, lambda value: value["input"].update(mean=[0.5, 0.5]))
    with pytest.raises(ExportError, match="2 means and 1 standard deviations for 1 channels"):
        read_manifest(damaged)
    edit(damaged, lambda value: value["input"].update(mean=[0.5], std=[0.0]))
    with pytest.raises(ExportError, match="must be above 0"):
        read_manifest(damaged)
    edit(damaged, lambda value: value["input"].update(std=["x"]))
    with pytest.raises(ExportError, match="wrong kind"):
        read_manifest(damaged)
    edit(damaged, lambda value: value.pop("classes") and value["input"].update(std=[1.0]))
    with pytest.raises(ExportError, match="lacks the key 'classes'"):
        read_manifest(damaged)
