from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from nas.data import DataConfig
from nas.data.decode import Encoded, decode_images, fit_images
from nas.errors import DataError
from search_spaces.progress import silent


def decode(streams: list[bytes], *, progress=silent, **values) -> np.ndarray:
    config = DataConfig(format="npz", path="a", validation=1, **{"cache": False} | values)
    identity = ["test", len(streams)]
    return decode_images(
        lambda i: Encoded(f"Image {i}", streams[i]),
        len(streams),
        config=config,
        identity=identity,
        progress=progress,
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_give_the_pixels_back(pixels, encode, kind):
    images = pixels(3, 7, 5, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    streams = [encode(image, kind, **options) for image in images]
    assert np.array_equal(decode(streams), images.transpose(0, 3, 1, 2))


def test_grey_and_colour_together_are_colour(pixels, encode):
    grey, colour = pixels(6, 6), pixels(6, 6, 3)
    images = decode([encode(grey), encode(colour)])
    assert np.array_equal(images[0], np.stack([grey] * 3))
    assert decode([encode(grey)] * 2).shape == (2, 1, 6, 6)


def test_large_images_are_decoded_by_threads_with_the_same_result(pixels, encode):
    images = np.stack([pixels(130, 130, 3, seed=i) for i in range(5)])
    order = np.arange(600) % 5
    streams = [encode(image, "BMP") for image in images]
    seen, threads = [], set()

    def progress(done: int, total: int, text: str) -> None:
        seen.append((done, total))
        threads.add(threading.current_thread())

    decoded = decode([streams[k] for k in order], progress=progress)
    assert np.array_equal(decoded, images.transpose(0, 3, 1, 2)[order])
    assert seen == [(256, 600), (512, 600), (600, 600)]
    assert threads == {threading.main_thread()}


def test_size_scales_the_short_side_and_crops_the_centre(encode):
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 7:17] = 200  # the middle third is what remains; the filter sees a pixel beyond
    assert (decode([encode(wide)], image_size=4) == 200).all()


def test_fitting_arrays_equals_fitting_files(pixels, encode):
    images = pixels(4, 9, 12, 3)
    decoded = decode([encode(image) for image in images], image_size=6)
    assert np.array_equal(fit_images(images.transpose(0, 3, 1, 2), 6), decoded)


def test_sixteen_bits_are_refused_rather_than_clipped(encode):
    deep = np.arange(36, dtype=np.uint16).reshape(6, 6) * 1000
    with pytest.raises(DataError, match=r"Image 0 has the pixel type 'I;16'"):
        decode([encode(deep)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_damaged_images_are_data_errors(pixels, encode, kind):
    good = encode(np.kron(pixels(4, 4, 3), np.ones((8, 8, 1), np.uint8)), kind)
    rng = np.random.default_rng(0)
    for trial in range(150):
        damaged = bytearray(good)
        if trial % 2:
            damaged = damaged[: rng.integers(len(good))]
        else:
            damaged[rng.integers(min(200, len(good)))] = rng.integers(256)
        try:
            images = decode([good, bytes(damaged)])
        except DataError as error:
            assert "Image 1" in str(error)  # noqa: PT017 - not every damage is noticed
        else:
            assert images.dtype == np.uint8


def test_other_formats_are_not_opened(pixels, encode):
    for kind in ("GIF", "TIFF", "PPM"):
        with pytest.raises(DataError, match="unknown format"):
            decode([encode(pixels(6, 6, 3), kind)])


def test_decoded_images_are_kept(cache_root, pixels, encode):
    images = pixels(3, 7, 5, 3)
    streams = [encode(image) for image in images]
    first = decode(streams, cache=True)
    assert len(list(cache_root.rglob("*.npy"))) == 1
    broken = [b""] * 3  # would fail if decoded again
    assert np.array_equal(decode(broken, cache=True), first)
    with pytest.raises(DataError, match="Image 0"):
        decode(broken, cache=True, image_size=4)
    with pytest.raises(DataError, match="Image 0"):
        decode(broken, cache=False)


@pytest.mark.parametrize("damage", ["empty", "truncated", "shape", "garbage"])
def test_a_damaged_cache_is_built_again(cache_root, pixels, encode, damage, caplog):
    streams = [encode(image) for image in pixels(3, 7, 5, 3)]
    first = np.array(decode(streams, cache=True))
    (file,) = cache_root.rglob("*.npy")
    data = file.read_bytes()
    if damage == "shape":
        np.save(file, np.zeros((2, 3, 7, 5), np.uint8))
    else:
        file.write_bytes({"empty": b"", "truncated": data[:-9], "garbage": b"x" * 300}[damage])
    assert np.array_equal(decode(streams, cache=True), first)
    assert str(file) in caplog.text
    assert file.read_bytes() == data


def test_a_cache_that_cannot_be_written_is_no_error(cache_root, pixels, encode, caplog):
    (cache_root / "subnet-search").write_text("a file where the folder should be")
    images = pixels(3, 7, 5, 3)
    decoded = decode([encode(image) for image in images], cache=True)
    assert np.array_equal(decoded, images.transpose(0, 3, 1, 2))
    assert "could not be kept" in caplog.text


def test_an_interrupted_build_leaves_nothing_behind(cache_root, pixels, encode):
    def stop(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode([encode(pixels(4, 4))], cache=True, progress=stop)
    assert not [path for path in cache_root.rglob("*") if path.is_file()]


def test_pillow_agrees_on_what_an_image_is(tmp_path, pixels, encode):
    file = tmp_path / "a.jpg"
    file.write_bytes(encode(pixels(8, 8, 3), "JPEG"))
    config = DataConfig(format="npz", path="a", validation=1, cache=False)
    decoded = decode_images(
        lambda i: Encoded(str(file), file), 1, config=config, identity=[], progress=silent
    )
    with Image.open(file) as image:
        assert np.array_equal(decoded[0], np.asarray(image).transpose(2, 0, 1))
