"""Several processes train what one process trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.nas.training.jobs import losses, newest, run_folder
from tests.nas.training.processes import together, train_together


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("strategy", ["sandwich", "attentive", "progressive"])
def test_processes_end_where_one_ends(tmp_path: Path, strategy: str, count: int) -> None:
    options = {"strategy": strategy, "augment": {"mixup": 0.2, "cutmix": 1.0, "flip": True}}
    alone, shared = (run_folder(tmp_path / name, **options) for name in "as")
    assert together(1, train_together, alone.path, torch.float64) == [0]
    assert together(count, train_together, shared.path, torch.float64) == [0] * count
    expected = load_file(newest(alone))
    found = load_file(newest(shared))
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float64
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-5, msg=name)
    for ours, theirs in zip(losses(shared), losses(alone), strict=True):
        numbers = {key for key, value in theirs.items() if isinstance(value, float)}
        assert {k: ours[k] for k in numbers} == pytest.approx({k: theirs[k] for k in numbers})
