"""Slots that a training section names, and the comparison of some of them with a teacher."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.data import AugmentConfig
from nas.errors import ConfigError, TrainingError
from nas.training import STRATEGIES
from nas.training.slots import compared_slots, named_slots
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import tiny_config, tiny_space, tiny_splits

VIT = {"channels": 1, "classes": 4, "resolution": 12, "dim": 8, "heads": [2], "depths": [2]}


def test_patterns_name_slots_once_and_in_their_order() -> None:
    names = named_slots(tiny_space(), ["second", "*t*", "second"], key="a key")
    assert names == ["second", "stem", "first"]
    with pytest.raises(ConfigError, match=r"^a key names 'frist', which is no slot.*'first'"):
        named_slots(tiny_space(), ["stem", "frist"], key="a key")


def test_nothing_is_compared_without_a_weight() -> None:
    config = tiny_config(strategy="progressive").train
    assert compared_slots(tiny_space(), config) == ()


@pytest.mark.parametrize(
    ("slots", "what"),
    [
        (["sceond"], r"inner_slots names 'sceond', which is no slot of 'tiny'.*'second'"),
        (["head"], r"\['head'\] names 'head' of 'tiny'; some architecture has none"),
        (["sec*", "head"], r"names 'second', 'head' of 'tiny'; some architecture has none"),
    ],
)
def test_slots_that_yield_nothing_to_compare(slots: list[str], what: str) -> None:
    config = tiny_config(strategy="progressive", inner_weight=1.0, inner_slots=slots).train
    with pytest.raises(ConfigError, match=what):
        TrainState.begin(Supernet(tiny_space()), config)


def taught(space: SearchSpace, teacher: SearchSpace, **options: Any) -> tuple[Recipe, TrainState]:
    """Return a fine-tuning without augmentation of a space of one architecture."""
    settings = {"label_smoothing": 0.0, "gradient_clip": None, **options}
    config = tiny_config(strategy="finetune", **settings).train
    strategy = STRATEGIES["finetune"](space, config, 4)
    recipe = Recipe(config, AugmentConfig(), 0, tiny_splits(), strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space, seed=0), config)
    state.teacher = Supernet(teacher, seed=1).requires_grad_(False)
    return recipe, state


def test_the_last_tokens_alone_learn_from_a_teacher_of_another_space() -> None:
    """MPCViT's retraining: labels, the teacher's logits and its last layer's tokens."""
    mixed = get_space("mpc_vit", **VIT, attention=["relu_softmax", "scale_attention"])
    student = single(mixed, mixed.decode([0] * len(mixed.choices)))
    softmax = get_space("mpc_vit", **VIT, attention=["softmax"], activations=["gelu"])
    recipe, state = taught(student, softmax, inner_weight=3.0, inner_slots=["mlp2"])
    before = copy.deepcopy(state.supernet)
    images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    ((_, loss),) = training_step(recipe, state, images, labels)
    assert state.teacher is not None
    x = (images.float() / 255 - recipe.splits.mean[0]) / recipe.splits.std[0]
    ours: dict[str, torch.Tensor] = {}
    theirs: dict[str, torch.Tensor] = {}
    only = Architecture(student.decode([0] * len(student.choices)))
    logits = before(x, only, outputs=ours)
    taught_by = softmax.decode([0] * len(softmax.choices))
    expected = state.teacher(x, taught_by, outputs=theirs).softmax(1)
    assert ours["mlp2"].shape == (16, 10, 8)  # nine patches and the class token
    tokens = (ours["mlp2"] - theirs["mlp2"]).square().mean()
    by_hand = cross_entropy(logits, labels) + cross_entropy(logits, expected) + 3.0 * tokens
    assert loss == pytest.approx(float(by_hand.detach()), rel=1e-5)


def test_a_teacher_whose_features_do_not_go_with_the_subnets() -> None:
    wide = get_space("mpc_vit", **VIT, attention=["softmax"], activations=["gelu"])
    narrow = get_space("mpc_vit", **{**VIT, "dim": 4}, attention=["softmax"])
    recipe, state = taught(
        single(wide, wide.decode([0] * len(wide.choices))),
        narrow,
        inner_weight=1.0,
        inner_slots=["mlp2"],
    )
    images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    with pytest.raises(TrainingError, match=r"yields mlp2 \[10, 8\], its teacher mlp2 \[10, 4\]"):
        training_step(recipe, state, images, labels)
