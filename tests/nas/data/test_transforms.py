from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.data import AugmentConfig, augment, normalise, resize
from nas.rng import torch_stream

CONFIGS = st.builds(
    AugmentConfig,
    crop_padding=st.integers(0, 5),
    flip=st.booleans(),
    cutout=st.integers(0, 9),
)


def one_by_one(images: torch.Tensor, config: AugmentConfig, generator: torch.Generator):
    """What `augment` computes, written as a loop over images with pad, slice and flip."""
    n, _, height, width = images.shape
    p, size = config.crop_padding, config.cutout

    def draw(low: int, high: int) -> list[int]:
        return torch.randint(low, high, (n, 1), generator=generator)[:, 0].tolist()

    top, left = (draw(-p, p + 1), draw(-p, p + 1)) if p else ([0] * n, [0] * n)
    mirrored = draw(0, 2) if config.flip else [0] * n
    y, x = (draw(0, height), draw(0, width)) if size else ([0] * n, [0] * n)
    out = []
    for i in range(n):
        image = images[i].flip(2) if mirrored[i] else images[i]
        padded = torch.nn.functional.pad(image, (p, p, p, p))
        image = padded[:, top[i] + p :, left[i] + p :][:, :height, :width].clone()
        if size:
            first_y, first_x = y[i] - size // 2, x[i] - size // 2
            rows = slice(max(first_y, 0), max(first_y + size, 0))
            image[:, rows, max(first_x, 0) : max(first_x + size, 0)] = 0
        out.append(image)
    return torch.stack(out)


@given(config=CONFIGS, n=st.integers(1, 6), height=st.integers(4, 9), width=st.integers(4, 9))
def test_the_gather_equals_pad_slice_and_flip(config, n, height, width):
    images = torch.rand(n, 3, height, width, generator=torch_stream(n, "images"))
    fast = augment(images, config, generator=torch_stream(1, "augment", height))
    slow = one_by_one(images, config, torch_stream(1, "augment", height))
    assert torch.equal(fast, slow)


@given(config=CONFIGS)
def test_the_same_seed_gives_the_same_images(config):
    images = torch.rand(8, 3, 12, 12)
    copy = images.clone()
    first = augment(images, config, generator=torch_stream(0, "augment", 1))
    assert torch.equal(first, augment(images, config, generator=torch_stream(0, "augment", 1)))
    assert torch.equal(images, copy)  # the argument is not written to


def test_images_of_a_batch_are_changed_independently():
    images = torch.arange(1.0, 145).view(1, 1, 12, 12).expand(64, 1, 12, 12)
    config = AugmentConfig(crop_padding=4, flip=True)
    out = augment(images, config, generator=torch_stream(0, "augment"))
    assert len({tuple(image.flatten().tolist()) for image in out}) > 45  # of 64; 162 possible


def test_defaults_return_the_argument_and_draw_nothing():
    images, generator = torch.rand(2, 3, 4, 4), torch_stream(0, "augment")
    before = generator.get_state()
    assert augment(images, AugmentConfig(), generator=generator) is images
    assert torch.equal(generator.get_state(), before)


def test_shifts_are_uniform_and_mirrors_are_half():
    images = torch.zeros(4000, 1, 9, 9)
    images[:, :, 4, 4] = 1
    images[:, :, 4, 5] = 2
    config = AugmentConfig(crop_padding=2, flip=True)
    out = augment(images, config, generator=torch_stream(0, "augment"))[:, 0]
    rows = (out == 1).nonzero()[:, 1].bincount(minlength=9)
    assert rows[:2].sum() == rows[7:].sum() == 0
    assert (rows[2:7] / 4000).tolist() == pytest.approx([0.2] * 5, abs=0.04)
    one, two = ((out == value).nonzero()[:, 2] for value in (1, 2))
    assert float((two < one).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_cutout_is_a_square_clipped_at_the_border():
    out = augment(
        torch.ones(500, 2, 10, 10), AugmentConfig(cutout=4), generator=torch_stream(0, "augment")
    )
    cut = (out == 0).sum(dim=(2, 3))
    assert torch.equal(cut[:, 0], cut[:, 1])
    sizes = set(cut[:, 0].tolist())
    assert max(sizes) == 16
    assert min(sizes) == 4  # centre in a corner
    everything = augment(
        torch.ones(5, 1, 6, 6), AugmentConfig(cutout=50), generator=torch_stream(0, "augment")
    )
    assert not everything.any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float64])
def test_dtype_is_kept(dtype):
    images = torch.ones(3, 1, 8, 8, dtype=dtype)
    config = AugmentConfig(crop_padding=2, flip=True, cutout=3)
    assert augment(images, config, generator=torch_stream(0, "augment")).dtype == dtype


def test_channels_last_batches_are_augmented_alike():
    images = torch.rand(4, 3, 8, 8)
    config = AugmentConfig(crop_padding=2, flip=True, cutout=3)
    plain = augment(images, config, generator=torch_stream(0, "augment"))
    last = images.to(memory_format=torch.channels_last)
    assert torch.equal(augment(last, config, generator=torch_stream(0, "augment")), plain)


@pytest.mark.gpu
def test_the_device_does_not_change_the_augmentation():
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    config = AugmentConfig(crop_padding=4, flip=True, cutout=8)
    here = augment(images, config, generator=torch_stream(0, "augment"))
    there = augment(images.cuda(), config, generator=torch_stream(0, "augment"))
    assert there.is_cuda
    assert torch.equal(there.cpu(), here)


def test_normalised_images_have_mean_zero_and_deviation_one():
    images = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
    scaled = images.double() / 255
    mean = scaled.mean(dim=(0, 2, 3)).tolist()
    std = scaled.std(dim=(0, 2, 3), correction=0).tolist()
    out = normalise(images, mean, std)
    assert out.dtype == torch.float32
    assert out.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)
    assert out.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1] * 3, abs=1e-5)
    one = float(normalise(torch.full((1, 1, 1, 1), 51, dtype=torch.uint8), [0.1], [0.5]))
    assert one == pytest.approx((51 / 255 - 0.1) / 0.5)


def test_resize_is_antialiased_and_keeps_what_fits():
    images = torch.rand(2, 3, 16, 16)
    assert resize(images, 16) is images
    assert resize(images, 24).shape == (2, 3, 24, 24)
    assert resize(torch.rand(2, 3, 16, 8), 16).shape == (2, 3, 16, 16)
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::4] = 1  # without antialias, whole stripes would be kept or lost
    assert float(resize(stripes, 8)[..., 1:-1].std()) < 0.05
