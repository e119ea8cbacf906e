from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.devices import prepare_device, to_channels_last
from nas.errors import ConfigError


def test_auto_takes_what_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert prepare_device("auto").type == expected


def test_threads_are_set() -> None:
    before = torch.get_num_threads()
    try:
        prepare_device("cpu", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_gpu_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(ConfigError, match=f"{name}.* sees 0 CUDA devices"):
        prepare_device(name)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_network_stays_channels_last_from_its_input_on(channels: int) -> None:
    images = torch.randn(2, channels, 6, 6)
    ready = to_channels_last(images)
    assert torch.equal(ready, images)
    out = nn.Conv2d(channels, 8, 3)(ready)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out.is_contiguous()
