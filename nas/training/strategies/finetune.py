"""Fine-tuning of one subnet with the supernet's largest network as its teacher.

Once-for-all fine-tunes what it extracts (Cai et al. 2020, arXiv:1908.09791, section 4.2); the
loss is that of its progressive shrinking: labels, and the soft labels of the largest network.
"""

from __future__ import annotations

from nas.config import TrainConfig
from nas.errors import ConfigError
from nas.training.losses import label_and_soft_loss
from nas.training.strategies.member import Member
from nas.training.strategies.phase import Strategy, one_phase
from search_spaces import SearchSpace

__all__ = ["finetune"]


def finetune(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: The space has several architectures.
    """
    if space.size > 1:
        raise ConfigError(
            f"train.strategy = 'finetune' trains one subnet, and the space {space.name!r} has "
            f"{space.size:,}. Train the supernet by another strategy, then run "
            "`nas finetune RUN --id ID`."
        )
    loss = label_and_soft_loss(config.label_smoothing, config.teacher_weight)
    only = space.decode([0] * len(space.choices))
    member = Member("subnet", only, loss, steady=True)
    return one_phase(config, steps_per_epoch, lambda moment: (member,), taught=True)
