"""Fine-tuning of one subnet of a run, in a run folder of its own inside the run's.

The run and its archive stay as they are: what is measured of the fine-tuned subnet is kept, like
its checkpoints and its export, in ``finetuned/ID``.
"""

from __future__ import annotations

from typing import Any

from nas.archive import Evaluated
from nas.config import parse_config
from nas.data import DataSplits
from nas.errors import CheckpointError, ConfigError
from nas.runs import RunFolder
from nas.training import load_supernet, train
from nas.training.slots import check_slots
from search_spaces import Architecture, SearchSpace
from search_spaces.progress import Progress, silent
from search_spaces.single import single
from search_spaces.supernet import Supernet

__all__ = ["finetune_subnet", "finetuned_run"]

_KEPT = (
    "amp",
    "batch_size",
    "channels_last",
    "checkpoint_every_s",
    "compile",
    "device",
    "drop_path",
    "ema_decay",
    "gradient_clip",
    "label_smoothing",
    "momentum",
    "nesterov",
    "optimizer",
    "threads",
    "weight_decay",
)
"""What fine-tuning takes from the training of the supernet."""


def finetuned_run(
    run: RunFolder, space: SearchSpace, row: Evaluated, options: dict[str, Any]
) -> RunFolder:
    """Return the run folder in which a subnet is fine-tuned: a new one, or the one to go on with.

    Args:
        run: The run that the subnet is of.
        space: Of its supernet.
        row: The subnet.
        options: Of the training section: ``epochs``, ``learning_rate``, ``warmup_epochs``,
            ``teacher_weight``, ``inner_weight``, ``inner_slots`` and ``freeze``; the rest is as
            the supernet was trained.

    Raises:
        ConfigError: An option has an impossible value or names no slot, or differs from that of
            the fine-tuning that was begun.
        RunError: The folder is damaged or not writable.
    """
    document = run.config.to_json()
    kept = {key: document["train"][key] for key in _KEPT}
    document["train"] = {"strategy": "finetune", **kept, **options}
    config = parse_config(document, source="of this fine-tuning")
    check_slots(single(space, row.architecture), config.train)
    path = run.finetuned(row.id)
    if not (path / "run.json").exists():
        return RunFolder.create(path, config)
    begun = RunFolder.open(path)
    before = begun.config.to_json()["train"]
    changed = [f"{key} = {before[key]!r}" for key in options if before[key] != options[key]]
    if changed:
        raise ConfigError(
            f"{path} was begun with other values: {', '.join(changed)}. Give these to go on with "
            "it, or remove the folder to begin anew."
        )
    return begun


def finetune_subnet(
    run: RunFolder,
    tuned: RunFolder,
    space: SearchSpace,
    architecture: Architecture,
    splits: DataSplits,
    *,
    progress: Progress = silent,
) -> SearchSpace:
    """Train one subnet on from its inherited weights, or go on where that stopped.

    Args:
        run: With the trained supernet, whose largest network is the teacher.
        tuned: From `finetuned_run`; the caller holds its lock.
        space: Of the supernet.
        architecture: Of the subnet.
        splits: Only the training split is used.
        progress: Told after every step.

    Returns:
        The space of this one architecture, to which the weights in `tuned` belong.

    Raises:
        CheckpointError: The run has no trained supernet.
        NasError: As `nas.training.train`.
    """
    teacher = load_supernet(run, space)
    only = single(space, architecture)
    subnet = Supernet(only)
    _inherit(subnet, teacher, architecture)
    config = tuned.config
    train(
        subnet,
        splits,
        config.train,
        seed=config.seed,
        augment=config.augment,
        run=tuned,
        teacher=teacher.train(),
        evaluate=config.evaluate,
        progress=progress,
    )
    return only


def _inherit(subnet: Supernet, teacher: Supernet, architecture: Architecture) -> None:
    """Give the supernet of one architecture the weights that it has in a larger one.

    Raises:
        CheckpointError: It keeps them in other tensors than the plain network.
    """
    plain = teacher.subnet(architecture).state_dict()
    names = set(subnet.state_dict())
    if not names <= set(plain):
        raise CheckpointError(
            f"A subnet of {teacher.space.name} cannot be fine-tuned: its supernet shares "
            f"{min(names - set(plain))!r}, which no plain network has. Build the space without "
            "the option that shares it."
        )
    subnet.load_state_dict({name: plain[name] for name in names})
