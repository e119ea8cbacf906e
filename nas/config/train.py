"""The training section: the recipe and the strategy."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from nas.config.section import Count, NotNegative, Positive, Section, refuse
from nas.config.strategies import (
    GoldConfig,
    MpcVitConfig,
    NetAugConfig,
    ProxylessConfig,
    ReluConfig,
    StageConfig,
    StoredTeacherConfig,
)

__all__ = ["MAY_CHANGE", "TrainConfig"]

MAY_CHANGE = (
    "amp",
    "channels_last",
    "checkpoint_every_s",
    "compile",
    "device",
    "tensorboard",
    "threads",
    "watch_every",
)
"""Keys of the section train that a resumed training may have changed: they say where, how fast
and how watched it is computed, not what."""


def _device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise ValueError("must be auto, cpu, mps, cuda, or one of several GPUs as cuda:0")
    return name


_ONLY = {
    "random_subnets": ("sandwich", "attentive", "delayed"),
    "soft_loss": ("sandwich", "attentive", "delayed"),
    "cost_bins": ("single_path", "attentive"),
    "candidates": ("attentive",),
    "prefer": ("attentive",),
    "full_epochs": ("delayed",),
    "ramp_epochs": ("delayed",),
    "stages": ("progressive",),
    "teacher_weight": ("progressive", "autorep", "snl", "finetune"),
    "inner_weight": ("progressive", "finetune"),
    "inner_slots": ("progressive", "finetune"),
    "param_intervals": ("prenas",),
    "architectures": ("multi_architecture",),
    "regularise": ("sandwich", "attentive", "delayed"),
    "netaug": ("netaug",),
    "proxyless": ("proxyless",),
    "mpcvit": ("mpcvit",),
    "relus": ("autorep", "snl"),
    "gold_nas": ("gold_nas",),
    "stored_teacher": (
        "single_path",
        "fair",
        "multi_architecture",
        "sandwich",
        "attentive",
        "delayed",
        "prenas",
        "netaug",
        "proxyless",
        "gold_nas",
    ),
}
"""The strategies that read a key; elsewhere it must have its default."""


class TrainConfig(Section):
    """How the supernet is trained."""

    strategy: Literal[
        "single_path",
        "fair",
        "multi_architecture",
        "sandwich",
        "attentive",
        "delayed",
        "progressive",
        "prenas",
        "netaug",
        "proxyless",
        "mpcvit",
        "autorep",
        "snl",
        "gold_nas",
        "finetune",
    ] = "single_path"
    """One random path a step (SPOS), paths that use every option equally often (FairNAS),
    several paths that share the images of a step (ViT-ResNAS), largest, smallest and random
    subnets (BigNAS), the same with chosen random ones (AttentiveNAS), the same after the largest
    was trained alone (DepS), stages that open one kind of choice after another (once-for-all),
    few subnets that are chosen before training (PreNAS), a tiny one inside larger ones (NetAug),
    paths that learnt gates choose (ProxylessNAS), all operations at once, pruned gradually
    (GOLD-NAS), a mixture of dear and cheap options (MPCViT), or masks that keep few ReLUs
    (AutoReP, SNL). The command finetune has its own."""
    random_subnets: Annotated[int, Field(ge=0)] = 2
    """Random subnets in each step of sandwich, attentive and delayed, beside the largest and
    the smallest."""
    soft_loss: Literal["cross_entropy", "alpha_divergence"] = "cross_entropy"
    """How sandwich, attentive and delayed compare a subnet's class probabilities with those of
    the largest: by cross entropy, or by AlphaNet's adaptive alpha-divergence."""
    cost_bins: Annotated[int, Field(ge=2, le=32)] | None = None
    """Bins of equal width in MACs. With single_path every bin is drawn equally often, and every
    architecture in it; none draws every option equally often. Attentive needs them."""
    candidates: Annotated[int, Field(ge=2)] = 3
    """Architectures that attentive compares for each random subnet."""
    prefer: Literal["best", "worst"] = "best"
    """Which candidate attentive trains: of the lowest or of the highest loss."""
    full_epochs: NotNegative | None = None
    """Epochs in which delayed trains the largest subnet alone; none is half of the epochs."""
    ramp_epochs: NotNegative | None = None
    """Epochs in which delayed raises the weight of the other subnets from zero; none is a
    fiftieth of the epochs."""
    stages: Annotated[tuple[StageConfig, ...], Field(strict=False)] = ()
    """The stages of progressive, in order. Their epochs add up to `epochs`, which may then be
    left out."""
    teacher_weight: NotNegative = 1.0
    """Weight of the soft labels of the largest subnet, as it was at the end of the first stage,
    in the later stages of progressive, and in fine-tuning; 0 trains on labels alone."""
    inner_weight: NotNegative = 0.0
    """Weight of the differences between what the blocks of a subnet and those of that teacher
    yield, in the same strategies; 0 compares none."""
    inner_slots: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("*",)
    """Slots whose blocks `inner_weight` compares, by name or by a pattern such as "stage1.*"."""
    param_intervals: Annotated[int, Field(ge=2)] = 6
    """Intervals of equal width in parameters, of each of which prenas trains one subnet."""
    architectures: Annotated[int, Field(ge=2)] = 4
    """Paths among which multi_architecture divides the images of a step."""
    netaug: NetAugConfig = NetAugConfig()
    """The networks of netaug."""
    proxyless: ProxylessConfig = ProxylessConfig()
    """The gates of proxyless."""
    mpcvit: MpcVitConfig = MpcVitConfig()
    """The alphas of mpcvit."""
    relus: ReluConfig = ReluConfig()
    """How autorep and snl choose the ReLUs that stay."""
    gold_nas: GoldConfig = GoldConfig()
    """The gates of gold_nas."""
    stored_teacher: StoredTeacherConfig | None = None
    """A stored teacher of all subnets, whose order and augmentation of images are replayed; none
    for strategies that have a teacher of their own."""
    epochs: Count
    """Passes over the training images."""
    batch_size: Count
    """Images in a step."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """The optimizer."""
    learning_rate: Positive
    """The highest learning rate, reached after the warm-up; a cosine takes it to zero."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of sgd."""
    nesterov: bool = True
    """Whether the momentum of sgd is Nesterov's."""
    weight_decay: NotNegative = 4e-5
    """Weight decay."""
    warmup_epochs: NotNegative = 0.0
    """Epochs in which the learning rate rises linearly from zero."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Label smoothing."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability with which the last block with a shortcut is left out, image by image; it rises
    linearly from the first block on."""
    regularise: Literal["largest", "all"] = "largest"
    """Whether dropout and drop-path act on all subnets of sandwich, attentive and delayed, or, as
    BigNAS has it, on the largest only."""
    zero_gamma: bool = False
    """Whether every block with a shortcut begins as its shortcut: the scale of its last batch norm
    is zero at first."""
    freeze: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Slots whose weights stay as they are, by name or by a pattern such as "stage1.*"."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of the exponential moving average of the weights; none keeps no average."""
    gradient_clip: Positive | None = None
    """Largest norm of the gradient; none does not clip."""
    sync_batch_norm: bool = True
    """Whether several processes normalise by the statistics of the whole batch, as one process
    does; false takes those of each process's own images, which sends less."""
    amp: bool = True
    """Automatic mixed precision; it takes effect on CUDA only."""
    channels_last: bool = True
    """Whether images and weights lie in memory with the channels last."""
    compile: bool = False
    """Whether torch.compile compiles the subnets that return step after step: the largest alone,
    those of a sandwich that are not random, a single network, a frozen teacher. Each takes minutes
    on a CPU, and a C++ compiler; all others run as they are."""
    device: Annotated[str, AfterValidator(_device)] = "auto"
    """Where to train; auto takes CUDA where there is one."""
    threads: Count | None = None
    """Threads on the CPU; none leaves torch's own number."""
    watch_every: Count | None = None
    """Steps after which the smallest, a median and the largest subnet are scored on the validation
    split, each with its own batch-norm statistics; none scores none while training."""
    tensorboard: bool = False
    """Whether the metrics are TensorBoard events too, in the run's folder; needs the extra
    `tensorboard`."""
    checkpoint_every_s: NotNegative = 60.0
    """Seconds between two checkpoints; 0 writes one after every step."""

    @model_validator(mode="before")
    @classmethod
    def _add_up_epochs(cls, document: Any) -> Any:
        """Take the epochs from the stages where the section does not say them."""
        if not isinstance(document, dict) or "epochs" in document:
            return document
        stages = document.get("stages")
        given = stages if isinstance(stages, list | tuple) else ()
        epochs = [stage.get("epochs") for stage in given if isinstance(stage, dict)]
        if not epochs or not all(isinstance(count, int) for count in epochs):
            return document
        return {**document, "epochs": sum(epochs)}

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        problems = self._strategy_problems()
        if self.warmup_epochs > self.epochs:
            problems["warmup_epochs"] = f"must be at most epochs = {self.epochs}"
        if self.optimizer == "sgd" and self.nesterov and self.momentum == 0:
            problems["nesterov"] = "needs a momentum above 0; set it to false"
        refuse(problems)
        return self

    def _strategy_problems(self) -> dict[str, str]:
        """Return what does not go with the strategy, by key."""
        problems = {}
        fields = type(self).model_fields
        for key, strategies in _ONLY.items():
            if getattr(self, key) != fields[key].default and self.strategy not in strategies:
                problems[key] = (
                    f"is for {' and '.join(strategies)}, the strategy is {self.strategy}; "
                    "leave it out"
                )
        if self.inner_slots != fields["inner_slots"].default and not self.inner_weight:
            problems["inner_slots"] = "says what inner_weight compares, and that is 0; set it too"
        if self.strategy == "attentive" and self.cost_bins is None:
            problems["cost_bins"] = "attentive draws from bins of MACs; set it, for example 16"
        if self.strategy == "progressive":
            problems |= self._stage_problems()
        if self.strategy == "multi_architecture" and self.batch_size < 2 * self.architectures:
            problems["architectures"] = (
                f"must leave two images of batch_size = {self.batch_size} to each, so at most "
                f"{self.batch_size // 2}"
            )
        if self.strategy in ("autorep", "snl"):
            before = self.relus.full_epochs + self.relus.mask_epochs
            if before >= self.epochs:
                problems["relus.mask_epochs"] = (
                    f"and relus.full_epochs are {before:g} together; they must leave some of "
                    f"the epochs = {self.epochs} to train what was kept"
                )
        if self.strategy == "finetune" and self.zero_gamma:
            problems["zero_gamma"] = "would undo what was trained; leave it out"
        if self.strategy == "prenas" and self.zero_gamma:
            problems["zero_gamma"] = (
                "would hide most weights from the score of prenas; leave it out"
            )
        if self.strategy == "proxyless" and self.weight_epochs >= self.epochs:
            problems["proxyless.weight_epochs"] = f"must be less than epochs = {self.epochs}"
        if self.early_epochs > self.epochs:
            problems["netaug.early_epochs"] = f"must be at most epochs = {self.epochs}"
        if self.strategy == "delayed" and sum(self.delay) >= self.epochs:
            problems["full_epochs"] = (
                f"and the {self.delay[1]:g} ramp_epochs must be less than epochs = {self.epochs}"
            )
        return problems

    def _stage_problems(self) -> dict[str, str]:
        """Return what is wrong with the stages of progressive shrinking, by key."""
        problems = {}
        total = sum(stage.epochs for stage in self.stages)
        if not self.stages:
            problems["stages"] = "progressive needs at least one [[train.stages]]"
        elif total != self.epochs:
            problems["epochs"] = f"must be the sum of the stages' epochs, {total}, or left out"
        for position, stage in enumerate(self.stages):
            if stage.warmup_epochs > stage.epochs:
                problems[f"stages.{position}.warmup_epochs"] = (
                    f"must be at most epochs = {stage.epochs}"
                )
        if self.warmup_epochs:
            problems["warmup_epochs"] = "progressive takes the warmup_epochs of its stages"
        return problems

    @property
    def priced_by(self) -> str | None:
        """The cost that the strategy learns or chooses by; none where it has none."""
        sections = {
            "proxyless": self.proxyless.cost,
            "mpcvit": self.mpcvit.cost,
            "autorep": self.relus.cost,
            "snl": self.relus.cost,
        }
        return sections.get(self.strategy)

    @property
    def weight_epochs(self) -> float:
        """Epochs in which proxyless trains the weights alone."""
        given = self.proxyless.weight_epochs
        return self.epochs / 4 if given is None else given

    @property
    def early_epochs(self) -> int:
        """Epochs in which netaug varies the choices of its ``vary_early`` too."""
        early = self.netaug.early_epochs
        return self.epochs // 2 if early is None else early

    @property
    def delay(self) -> tuple[float, float]:
        """Epochs of the largest subnet alone and of the ramp, for the strategy delayed."""
        full, ramp = self.full_epochs, self.ramp_epochs
        return (
            self.epochs / 2 if full is None else full,
            self.epochs / 50 if ramp is None else ramp,
        )
