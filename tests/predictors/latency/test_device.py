"""What a device is."""

from __future__ import annotations

import dataclasses
import os

import pytest

from predictors.latency.runner import device as device_module
from predictors.latency.runner.device import Device, device_identity, same_device

ARM = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b
"""


def test_this_machine_is_itself():
    here = device_identity()
    assert here.cpu
    assert here.cores == os.cpu_count()
    assert same_device(here, dataclasses.replace(here, os="another release"))


@pytest.mark.parametrize(
    "change", [{"cpu": "x"}, {"cores": 999}, {"simd": ("sve",)}, {"accelerator": "GPU"}]
)
def test_differences_are_named(change):
    here = device_identity()
    other = dataclasses.replace(here, **change)
    assert not same_device(here, other)
    (difference,) = here.differences(other)
    assert difference.startswith(next(iter(change)))


def test_boards_without_a_model_name(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(ARM)
    fields = device_module._cpuinfo(path)
    assert "CPU 0x41 0xd0b" in device_module._cpu_name(fields)
    assert device_module._cpuinfo(tmp_path / "none") == {}


def test_text_for_people():
    board = Device("Cortex-A76", 4, "aarch64", "Linux")
    assert str(board) == "Cortex-A76, 4 cores, aarch64, Linux"
    assert str(dataclasses.replace(board, accelerator="GPU")).startswith("GPU, Cortex")
