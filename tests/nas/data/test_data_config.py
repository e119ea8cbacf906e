from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

import nas.data
from nas.data import AugmentConfig, DataConfig


def test_defaults_keep_images_as_stored_and_change_nothing():
    config = DataConfig(format="digits", validation=10)
    assert (config.image_size, config.channels, config.train_limit) == (None, None, None)
    nothing = {"crop_padding": 0, "flip": False, "cutout": 0, "mixup": 0.0, "cutmix": 0.0}
    nothing |= {"erase": 0.0, "rand_augment": 0, "rand_magnitude": 9.0}
    assert AugmentConfig().model_dump() == nothing


def test_a_magnitude_of_no_operations_is_refused():
    with pytest.raises(ValidationError, match="`rand_augment` is 0"):
        AugmentConfig(rand_magnitude=5.0)
    assert AugmentConfig(rand_augment=2, rand_magnitude=5.0).rand_magnitude == 5.0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"format": "csv"}, "format"),
        ({"validation": 0}, "validation"),
        ({"validation": "ten"}, "validation"),
        ({"validation": True}, "validation"),
        ({"test_fraction": 1.0}, "test_fraction"),
        ({"test_fraction": float("nan")}, "test_fraction"),
        ({"train_limit": 0}, "train_limit"),
        ({"channels": 2}, "channels"),
        ({"image_size": 0}, "image_size"),
        ({"imagesize": 3}, "imagesize"),
        ({"format": "npz"}, "`path` is missing"),
        ({"path": "x"}, "bundled"),
    ],
)
def test_bad_values_are_refused_by_name(values, named):
    with pytest.raises(ValidationError, match=named):
        DataConfig(**{"format": "digits", "validation": 10} | values)


@pytest.mark.parametrize(
    "values", [{"crop_padding": -1}, {"cutout": -2}, {"cutmix": -0.5}, {"mix": 0.1}]
)
def test_bad_augmentation_is_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        AugmentConfig(**values)


def test_configs_are_values():
    config = DataConfig(format="npz", path="a.npz", validation=10)
    assert DataConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.validation = 3


@pytest.mark.parametrize(
    "statement", ["import nas.data.config", "from nas.data import DataConfig"]
)
def test_configuration_needs_no_torch_and_no_pillow(statement):
    code = f"{statement}; import sys; assert not {{'torch', 'PIL', 'sklearn'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_door_gives_every_name_it_lists():
    for name in nas.data.__all__:
        found = getattr(nas.data, name)
        assert getattr(found, "__name__", name) == name  # an alias of types has none
    with pytest.raises(AttributeError, match="load_images"):
        _ = nas.data.load_images
