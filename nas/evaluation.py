"""The accuracy of subnets with inherited weights: recalibrate batch norm, then count.

A supernet's running statistics belong to no subnet, so every subnet that is scored or exported
is extracted and gets statistics of its own, from training images (Yu and Huang 2019,
arXiv:1903.05134, section 3.2). Images are as stored, not augmented as once-for-all does it:
the statistics are then those of the images the subnet will meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.archive import Metric
from nas.config import EvaluateConfig
from nas.data import DataSplits, Images, batches, calibration_subset, normalise, resize
from nas.devices import prepare_device, to_channels_last
from nas.diversity import metered
from nas.errors import ConfigError
from predictors import Provenance
from search_spaces import Architecture, SearchSpace
from search_spaces.ensemble import EnsembleSpace
from search_spaces.supernet import Supernet

__all__ = ["SubnetEvaluator", "accuracy", "recalibrate"]

Split: TypeAlias = Literal["train", "validation", "test"]


@torch.inference_mode()
def recalibrate(
    subnet: nn.Module,
    images: Tensor,
    *,
    resolution: int,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int,
    device: torch.device,
) -> None:
    """Compute a subnet's batch-norm statistics anew and leave it in evaluation mode.

    A subnet without batch norm is left as it is.

    Mean and variance are the averages of those of the batches, as in
    `torch.optim.swa_utils.update_bn`, but dropout stays off, and the batches are of equal size,
    one image more or less, so that none counts more than another.

    Args:
        subnet: A plain network on the device; weights are not changed.
        images: Training images, uint8 [n, c, h, w], on any device.
        resolution: Height = width that the subnet takes.
        mean: Per channel, of the training images, on the scale [0, 1].
        std: Per channel, of the training images, on the scale [0, 1].
        batch_size: The most images in a batch.
        device: Where the subnet is.

    Raises:
        ConfigError: A batch would have one image, too few for a variance.
    """
    parts = images.tensor_split(-(-len(images) // batch_size))
    if len(parts[-1]) < 2:
        raise ConfigError(
            f"{len(images)} calibration images in batches of at most {batch_size} leave a batch "
            "of one, which has no variance. Set evaluate.calibration_images and "
            "evaluate.batch_size to 3 or more."
        )
    subnet.eval()
    norms = _batch_norms(subnet)
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the average over all batches, each with the same weight
        norm.train()
    for batch in parts:
        subnet(_inputs(batch.to(device), resolution, mean, std))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def _batch_norms(subnet: nn.Module) -> list[_BatchNorm]:
    """Return the layers that have running statistics."""
    return [module for module in subnet.modules() if isinstance(module, _BatchNorm)]


@torch.inference_mode()
def accuracy(
    model: nn.Module,
    image_set: Images,
    *,
    resolution: int,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int,
    device: torch.device,
) -> float:
    """Return the share of images classified rightly, in [0, 1].

    Args:
        model: In evaluation mode, on the device; gives logits [n, classes].
        image_set: At least one image, on any device.
        resolution: Height = width that the model takes.
        mean: Per channel, of the training images, on the scale [0, 1].
        std: Per channel, of the training images, on the scale [0, 1].
        batch_size: Images in a batch.
        device: Where the model is.
    """
    right = torch.zeros((), dtype=torch.int64, device=device)
    for images, labels in batches(image_set, batch_size):
        logits = model(_inputs(images.to(device), resolution, mean, std))
        right += (logits.argmax(dim=1) == labels.to(device)).sum()
    return int(right) / len(image_set)


def _inputs(
    images: Tensor, resolution: int, mean: Sequence[float], std: Sequence[float]
) -> Tensor:
    resized = resize(normalise(images, mean, std), resolution)
    # On a GPU cuDNN would compile kernels for every new shape; see ElasticDepthwise.
    return resized if resized.is_cuda else to_channels_last(resized)


class SubnetEvaluator:
    """Scores subnets of a trained supernet; called with an architecture.

    Args:
        supernet: Trained; moved to the device and put in evaluation mode.
        splits: Calibration images come from `train`, which `validation` and `test` are not in.
        config: How many calibration images, which, and the size of a batch.
        device: As in the training section.

    Raises:
        DataError: More calibration images are asked for than there are training images.
        ConfigError: The machine has no such device.
    """

    def __init__(
        self,
        supernet: Supernet,
        splits: DataSplits,
        config: EvaluateConfig,
        *,
        device: str = "auto",
    ) -> None:
        self._device = prepare_device(device)
        self._supernet = supernet.to(self._device).eval()
        self._splits = splits
        self._config = config
        self._calibration = calibration_subset(
            splits.train, config.calibration_images, seed=config.calibration_seed
        )

    def __call__(self, architecture: Architecture) -> dict[str, Metric]:
        """Return ``accuracy``: on the validation split, with inherited weights, recalibrated.

        Of an ensemble also ``diversity``, on the same images; see `nas.diversity`.

        Raises:
            SpaceError: The architecture is not of the supernet's space.
        """
        subnet = self.subnet(architecture)
        if not isinstance(self.space, EnsembleSpace):
            return {"accuracy": self.score(subnet, architecture, split="validation")}
        with metered(subnet) as meter:
            found = self.score(subnet, architecture, split="validation")
        return {"accuracy": found, "diversity": Metric(meter.value, found.provenance)}

    @property
    def space(self) -> SearchSpace:
        """The supernet's search space."""
        return self._supernet.space

    def subnet(self, architecture: Architecture) -> nn.Module:
        """Return the extracted and recalibrated subnet in evaluation mode, on the device."""
        subnet = self._supernet.subnet(architecture).to(self._device)
        recalibrate(
            subnet,
            self._calibration.images,
            resolution=self._supernet.space.resolution_of(architecture),
            mean=self._splits.mean,
            std=self._splits.std,
            batch_size=self._config.batch_size,
            device=self._device,
        )
        return subnet

    def score(self, subnet: nn.Module, architecture: Architecture, *, split: Split) -> Metric:
        """Return the accuracy of a subnet from `subnet` on one split.

        Args:
            subnet: Recalibrated, on the device.
            architecture: Its choices, for the resolution.
            split: ``validation`` in a search; ``test`` for the final subnets, once.
        """
        image_set: Images = getattr(self._splits, split)
        value = accuracy(
            subnet,
            image_set,
            resolution=self._supernet.space.resolution_of(architecture),
            mean=self._splits.mean,
            std=self._splits.std,
            batch_size=self._config.batch_size,
            device=self._device,
        )
        source = f"{split} split, {len(image_set)} images"
        if _batch_norms(subnet):
            source += (
                f"; batch norm recalibrated on {len(self._calibration)} training images, "
                f"seed {self._config.calibration_seed}"
            )
        return Metric(value, Provenance("measured", source))
