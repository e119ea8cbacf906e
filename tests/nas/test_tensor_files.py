"""Files of tensors with a header: what is written is read, and damage is one clear error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.errors import CheckpointError
from nas.tensor_files import read_tensors, write_tensors


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    tensors = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.ones(3, requires_grad=True)}
    write_tensors(path, tensors, {"step": 3, "about": {"space": "x"}}, entry="checkpoint")
    header, found = read_tensors(path, entry="checkpoint")
    assert header == {"step": 3, "about": {"space": "x"}}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert read_tensors(path)[0] == {}  # another entry
    write_tensors(path, tensors)
    assert read_tensors(path, entry="checkpoint")[0] == {}


@pytest.mark.parametrize("header", ["[1]", "{"])
def test_a_damaged_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"a": torch.ones(1)}, path, {"header": header})
    with pytest.raises(CheckpointError, match="damaged"):
        read_tensors(path)


def test_a_missing_or_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with pytest.raises(CheckpointError, match=f"{re.escape(str(path))} is missing"):
        read_tensors(path)
    write_tensors(path, {"a": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="truncated"):
        read_tensors(path)
