"""Private inference of an exported subnet: its own weights, images of its run's test split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nas.data import DataSplits, normalise, resize
from nas.errors import ConfigError
from nas.export import load_exported, read_manifest
from nas.rng import stream
from nas.runs import RunFolder
from predictors.latency.graph import network as placed_blocks
from predictors.mpc.execute import Execution, execute
from predictors.mpc.profiles import Network, Protocol
from predictors.mpc.program import Program, program_of
from predictors.mpc.weights import image_array, network_arrays
from search_spaces import get_space
from search_spaces.progress import Progress

__all__ = ["Agreement", "private_agreement", "run_of_export"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What private inference computed beside what torch computed.

    Attributes:
        program: What was executed.
        execution: The private inferences.
        logits: Torch's, float64 [images, classes].
        labels: The right classes, int64 [images].
    """

    program: Program
    execution: Execution
    logits: NDArray[np.float64]
    labels: NDArray[np.int64]

    def to_json(self) -> dict[str, float]:
        """Return the share of equal top classes, the largest difference, and accuracies."""
        private, plain = self.execution.outputs, self.logits
        return {
            "images": len(plain),
            "top1_agreement": float((private.argmax(1) == plain.argmax(1)).mean()),
            "largest_logit_difference": float(np.abs(private - plain).max()),
            "largest_logit": float(np.abs(plain).max()),
            "accuracy": float((private.argmax(1) == self.labels).mean()),
            "accuracy_torch": float((plain.argmax(1) == self.labels).mean()),
        }


def run_of_export(folder: Path) -> RunFolder:
    """Return the run that an export folder lies in.

    Raises:
        ConfigError: It lies in none.
    """
    run = folder.absolute().parent.parent
    if not (run / "run.json").is_file():
        raise ConfigError(
            f"{folder} lies in no run folder, whose test images would be predicted. Give "
            "RUN/exports/ID as `nas export` made it."
        )
    return RunFolder.open(run)


@torch.inference_mode()
def private_agreement(
    folder: Path,
    splits: DataSplits,
    protocol: Protocol,
    *,
    images: int,
    seed: int,
    network: Network | None = None,
    progress: Progress | None = None,
) -> Agreement:
    """Predict test images with an exported subnet, privately and with torch.

    Args:
        folder: Of the export.
        splits: Of its run.
        protocol: Whose parties compute.
        images: How many of the test split, drawn at random.
        seed: Of the draw.
        network: Shapes the link, where the system allows it.
        progress: Told how far the work has come.

    Raises:
        ExportError: The folder is no export, or damaged.
        MeasurementError: The engine fails.
        TableError: A layer has no private form, or a block's parameters are not its layers'.
    """
    manifest, module = read_manifest(folder), load_exported(folder)
    space = get_space(manifest.space_name, **manifest.space_options)
    blocks = placed_blocks(space, manifest.architecture)
    arrays = network_arrays(blocks, list(module.get_submodule("blocks").children()))
    order = stream(seed, "private images").permutation(len(splits.test))[:images]
    chosen = splits.test.select(torch.from_numpy(order))
    ready = resize(normalise(chosen.images, manifest.mean, manifest.std), manifest.input_shape[-1])
    program = program_of(blocks)
    execution = execute(
        program,
        arrays,
        protocol,
        images=[image_array(image) for image in ready.numpy()],
        network=network,
        progress=progress,
    )
    logits = module(ready).double().numpy()
    return Agreement(program, execution, logits, chosen.labels.numpy())
