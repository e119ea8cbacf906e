"""The operations of RandAugment against what they mean, pixel by pixel where that is exact."""

from __future__ import annotations

import pytest
import torch

from nas.data import rand_augment
from nas.data.operations import OPERATIONS


def images(n: int = 6, channels: int = 3) -> torch.Tensor:
    shape = (n, channels, 12, 12)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).float()


def level(value: float, n: int = 6) -> torch.Tensor:
    return torch.full((n, 1, 1, 1), value)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n != "autocontrast"])
def test_the_level_zero_changes_nothing(name: str) -> None:
    x = images()
    torch.testing.assert_close(OPERATIONS[name](x, level(0.0)), x, rtol=0, atol=1e-3)


def test_colours_by_hand() -> None:
    x = images()
    darker = OPERATIONS["brightness"](x, level(-1.0))
    torch.testing.assert_close(darker, 0.1 * x)
    assert float(OPERATIONS["brightness"](x, level(1.0)).max()) == 255
    flat = OPERATIONS["contrast"](x, level(-1.0))
    torch.testing.assert_close(flat.mean((1, 2, 3)), x.mean((1, 2, 3)))
    torch.testing.assert_close(flat.std((1, 2, 3)), 0.1 * x.std((1, 2, 3)))
    grey = OPERATIONS["saturation"](x, level(-1.0))
    assert float((grey.amax(1) - grey.amin(1)).max()) < 0.11 * 255
    four_bits = OPERATIONS["posterize"](x, level(1.0))
    assert torch.equal(four_bits, x - x % 16)
    half = OPERATIONS["solarize"](x, level(0.5))
    assert torch.equal(half, torch.where(x >= 128, 255 - x, x))
    wide = OPERATIONS["autocontrast"](x / 2 + 20, level(0.0))
    assert wide.amin((2, 3)).max() == 0
    assert wide.amax((2, 3)).min() == pytest.approx(255, abs=1e-3)
    one = torch.full((1, 3, 4, 4), 9.0)
    assert torch.equal(OPERATIONS["autocontrast"](one, level(0.0, 1)), one)


def test_shapes_move_as_they_are_told() -> None:
    x = images()
    # 0.45 of 20 columns are nine; what comes in is grey.
    wide = torch.cat([x, x], dim=3)[..., :20]
    moved = OPERATIONS["translate_x"](wide, level(1.0))
    torch.testing.assert_close(moved[..., :11], wide[..., 9:], rtol=0, atol=1e-2)
    torch.testing.assert_close(moved[..., 11:], torch.full_like(moved[..., 11:], 127.5))
    tall = wide.transpose(2, 3).contiguous()
    down = OPERATIONS["translate_y"](tall, level(1.0))
    torch.testing.assert_close(down, moved.transpose(2, 3), rtol=0, atol=1e-2)
    back = OPERATIONS["rotate"](OPERATIONS["rotate"](x, level(1.0)), level(-1.0))
    inner = slice(5, 7)
    difference = (back - x)[:, :, inner, inner].abs().mean()
    assert difference < (x - x.flip(0))[:, :, inner, inner].abs().mean()
    sheared = OPERATIONS["shear_x"](x, level(1.0))
    assert not torch.equal(sheared, x)
    twin = OPERATIONS["shear_y"](x.transpose(2, 3).contiguous(), level(1.0))
    torch.testing.assert_close(twin, sheared.transpose(2, 3), rtol=0, atol=1e-2)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_operations_of_their_own(channels: int) -> None:
    x = images(64, channels).to(torch.uint8)
    generator = torch.Generator().manual_seed(1)
    assert rand_augment(x, 0, 9.0, generator=generator) is x
    changed = rand_augment(x, 1, 9.0, generator=torch.Generator().manual_seed(1))
    assert changed.dtype == torch.uint8
    assert changed.shape == x.shape
    same = (changed == x).flatten(1).all(1)
    assert 0 < int(same.sum()) < 24  # identity, and autocontrast of what has all values
    again = rand_augment(x, 1, 9.0, generator=torch.Generator().manual_seed(1))
    assert torch.equal(changed, again)
    alike = torch.full((64, channels, 12, 12), 60, dtype=torch.uint8)
    kinds = rand_augment(alike, 1, 10.0, generator=torch.Generator().manual_seed(2))
    assert len({image.numpy().tobytes() for image in kinds}) > 5


def test_a_part_of_a_batch_is_changed_as_in_the_whole() -> None:
    x = images(10).to(torch.uint8)
    whole = rand_augment(x, 2, 9.0, generator=torch.Generator().manual_seed(1))
    seeded = torch.Generator().manual_seed(1)
    part = rand_augment(x[4:7], 2, 9.0, generator=seeded, first=4, count=10)
    assert torch.equal(part, whole[4:7])
