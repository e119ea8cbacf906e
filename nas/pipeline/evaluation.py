"""What scores the subnets of a trained run, and where scores are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.archive import Archive
from nas.errors import RunError
from nas.runs import RunFolder
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from nas.data import DataSplits
    from nas.evaluation import SubnetEvaluator

__all__ = ["check_trained", "open_archive", "subnet_evaluator"]


def check_trained(run: RunFolder) -> None:
    """Raise a RunError where training has not ended."""
    if run.stages().get("train") != "done":
        raise RunError(
            f"The supernet of {run.path} is not trained. "
            f"Run `nas train --resume {run.path}` first."
        )


def subnet_evaluator(run: RunFolder, space: SearchSpace, splits: DataSplits) -> SubnetEvaluator:
    """Return what scores subnets of the trained supernet of a run.

    Raises:
        RunError: Training has not ended.
    """
    from nas.devices import prepare_device
    from nas.evaluation import SubnetEvaluator
    from nas.training import load_supernet

    check_trained(run)
    config = run.config
    prepare_device(config.train.device, threads=config.train.threads)
    supernet = load_supernet(run, space)
    return SubnetEvaluator(supernet, splits, config.evaluate, device=config.train.device)


def open_archive(run: RunFolder, space: SearchSpace, path: Path | None = None) -> Archive:
    """Open the archive of a run for writing, or another one at ``path`` for the same space.

    Parts of a space share one.
    """
    space = space.whole
    return Archive.open(
        path or run.archive_path,
        space_name=space.name,
        space_options=space.options,
        fingerprint=space.fingerprint,
    )
