"""What a user says about the images: where they are, how they are split, how they are augmented.

Needs no torch, so that a configuration file is checked in a moment.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["AugmentConfig", "DataConfig"]

_STRICT = ConfigDict(
    frozen=True,
    extra="forbid",
    strict=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
)

_MAGNITUDE = 9.0  # of 10, as DeiT is trained (Touvron et al. 2021, arXiv:2012.12877)


class DataConfig(BaseModel):
    """The image set of a run and its split."""

    model_config = _STRICT

    format: Literal["digits", "idx", "npz", "cifar", "folder", "webdataset"]
    """digits (8x8, bundled with scikit-learn), idx (MNIST and its relatives), npz (also MedMNIST
    and ImageNet at 32 or 64 px), cifar (10 and 100), folder (also ImageNet and Tiny-ImageNet), or
    webdataset (tar shards)."""
    path: str | None = Field(default=None, min_length=1)
    """The folder or file; every format but digits needs it."""
    validation: int = Field(ge=1)
    """Images held out of the training split to guide the search."""
    train_limit: int | None = Field(default=None, ge=1)
    """At most so many training images, in the proportions of the classes; none keeps all."""
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Share of the images held out as test split where the source has none."""
    image_size: int | None = Field(default=None, ge=1, le=4096)
    """Height and width in pixels to resize and centre-crop to; none keeps them as stored."""
    channels: Literal[1, 3] | None = None
    """1 makes colour images grey, 3 repeats grey ones; none keeps them as stored."""
    streamed: bool = False
    """Whether training and test images are decoded while the network trains, and not all before:
    for a folder or shards that do not fit in memory."""
    workers: int = Field(default=4, ge=1)
    """Processes that decode streamed images, for each process that trains."""
    cache: bool = True
    """Whether decoded images are kept below the user's cache folder for the next run."""

    @model_validator(mode="after")
    def _path_belongs_to_format(self) -> Self:
        if self.format == "digits" and self.path is not None:
            raise ValueError(
                f"`path` is {self.path!r}, but the digits are bundled with scikit-learn; "
                "leave `path` out, or choose another format"
            )
        if self.format != "digits" and self.path is None:
            raise ValueError(
                f"`path` is missing; the format {self.format!r} needs the file or folder of images"
            )
        if self.streamed and self.format not in ("folder", "webdataset"):
            raise ValueError(
                f"`streamed` is for the formats folder and webdataset; {self.format} lies in "
                "memory anyway, so leave it out"
            )
        return self


class AugmentConfig(BaseModel):
    """Random changes to training images; the defaults change nothing."""

    model_config = _STRICT

    crop_padding: int = Field(default=0, ge=0)
    """Pixels of zero padding around the image before a random crop of its size."""
    flip: bool = False
    """Whether half of the images are mirrored left to right."""
    cutout: int = Field(default=0, ge=0)
    """Side in pixels of a square of zeros around a random centre (arXiv:1708.04552)."""
    mixup: float = Field(default=0.0, ge=0.0)
    """Parameter of the Beta distribution of the shares in which two images are added, for
    example 0.2; 0 adds none (arXiv:1710.09412)."""
    cutmix: float = Field(default=0.0, ge=0.0)
    """The same for the shares of two images of which one has a rectangle of the other
    (arXiv:1905.04899); with mixup and cutmix a coin decides for each batch."""
    erase: float = Field(default=0.0, ge=0.0, le=1.0)
    """Probability with which a rectangle of an image becomes noise (arXiv:1708.04896)."""
    rand_augment: int = Field(default=0, ge=0)
    """Random operations on each image, one after another, as RandAugment does them
    (arXiv:1909.13719); 0 does none."""
    rand_magnitude: float = Field(default=_MAGNITUDE, ge=0.0, le=10.0)
    """How strong they are."""

    @model_validator(mode="after")
    def _magnitude_belongs_to_operations(self) -> Self:
        if not self.rand_augment and self.rand_magnitude != _MAGNITUDE:
            raise ValueError(
                f"`rand_magnitude` is {self.rand_magnitude}, but `rand_augment` is 0, so no "
                "operation is done; set it to 1 or more, or leave both out"
            )
        return self
