"""A run folder whose supernet was trained elsewhere."""

from __future__ import annotations

from nas.runs import RunFolder
from nas.training.checkpoint import Checkpoint, save_checkpoint
from nas.training.state import belongs_to
from search_spaces.supernet import Supernet

__all__ = ["adopt"]


def adopt(run: RunFolder, supernet: Supernet, *, source: str) -> None:
    """Store a supernet as the trained one of a run, so that `nas search` goes on from it.

    The checkpoint is one of step 0 and belongs to no recipe: it can be searched and exported,
    not trained further.

    Args:
        run: Of a configuration that names the supernet's space; the caller holds its lock.
        supernet: Its weights are stored.
        source: Where they come from.

    Raises:
        RunError: The disk is full or the folder not writable.
        TrainingError: A weight is not finite.
    """
    tensors = {f"model/{name}": tensor for name, tensor in supernet.state_dict().items()}
    about = belongs_to(supernet.space)
    save_checkpoint(run.checkpoints, Checkpoint(0, tensors, about, notes={"losses": []}))
    run.mark_imported(source)
    run.mark("train", "done")
