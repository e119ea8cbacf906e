"""What a device is."""

from __future__ import annotations

import dataclasses
import os

import pytest

from predictors.latency.runner.device import Device, device_identity, device_of, same_device

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


def test_boards_by_what_their_system_says():
    about = {"machine": "aarch64", "system": "Linux", "os": "Linux 6.1"}
    device = device_of(ARM, board="Raspberry Pi 5", **about)
    assert device.cpu == "Raspberry Pi 5"
    assert (device.cores, device.simd) == (1, ("asimd", "asimddp"))
    assert device_of(ARM, board="", **about).cpu == "CPU 0x41 0xd0b"
    assert device_of("", board="", **about).cpu == "unknown processor"


def test_text_for_people():
    board = Device("Cortex-A76", 4, "aarch64", "Linux")
    assert str(board) == "Cortex-A76, 4 cores, aarch64, Linux"
    assert str(dataclasses.replace(board, accelerator="GPU")).startswith("GPU, Cortex")
