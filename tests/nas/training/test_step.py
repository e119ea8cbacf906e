from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.config import TrainConfig
from nas.data import AugmentConfig, mix, normalise, resize
from nas.rng import stream
from nas.training import STRATEGIES, Member
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from predictors import Macs, compile_cost
from search_spaces import Architecture
from search_spaces.blocks import BlockSpec
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import moment, tiny_config, tiny_space, tiny_splits


def set_up(config: TrainConfig) -> tuple[Recipe, TrainState]:
    splits, space = tiny_splits(), tiny_space()
    strategy = STRATEGIES[config.strategy](space, config, len(splits.train) // config.batch_size)
    recipe = Recipe(config, AugmentConfig(), 0, splits, strategy, torch.device("cpu"))
    # Dropout is off in evaluation mode, in which running statistics normalise: then a member's
    # loss does not depend on the others, and the step is easy to write out by hand.
    return recipe, TrainState.begin(Supernet(space, seed=0).eval(), config)


def drawn(recipe: Recipe, step: int) -> tuple[Member, ...]:
    return recipe.strategy.at(step)[0].draw(moment(step))


def test_a_sandwich_step_sums_the_gradients_and_detaches_the_teacher() -> None:
    config = tiny_config(gradient_clip=None, weight_decay=0.0, momentum=0.0, nesterov=False).train
    recipe, state = set_up(config)
    images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]

    by_hand = Supernet(tiny_space(), seed=0).eval()
    ready = normalise(images, (0.3,), (0.15,))
    space, members = by_hand.space, drawn(recipe, 0)
    logits = [
        by_hand(resize(ready, space.resolution_of(m.architecture)), m.architecture)
        for m in members
    ]
    teacher = logits[0].detach().softmax(1)
    loss = cross_entropy(logits[0], labels, label_smoothing=0.1)
    for student in logits[1:]:
        loss = loss - (teacher * student.log_softmax(1)).sum(1).mean()
    loss.backward()  # type: ignore[no-untyped-call]

    losses = training_step(recipe, state, images, labels)
    assert sum(value for _, value in losses) == pytest.approx(float(loss.detach()), rel=1e-5)
    for (name, ours), theirs in zip(
        state.supernet.named_parameters(), by_hand.parameters(), strict=True
    ):
        moved = theirs.detach() - recipe.learning_rate(0) * (
            torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        )
        torch.testing.assert_close(ours.detach(), moved, msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_what_a_path_does_not_use_is_bit_identical_after_its_step(optimizer: str) -> None:
    config = tiny_config(strategy="single_path", optimizer=optimizer, weight_decay=0.1).train
    recipe, state = set_up(config)
    state.supernet.train()
    batch = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    for _ in range(8):  # momentum is everywhere by now
        training_step(recipe, state, *batch)
    for _ in range(4):
        architecture = drawn(recipe, state.step)[0].architecture
        active = state.supernet.active_parameters(architecture)
        before = {n: p.detach().clone() for n, p in state.supernet.named_parameters()}
        states = {n: t.clone() for n, t in state.optimizer.state.items()}
        training_step(recipe, state, *batch)
        for name, parameter in state.supernet.named_parameters():
            unused = torch.ones(parameter.shape, dtype=torch.bool)
            if name in active:
                unused[active[name]] = False
            assert torch.equal(parameter.detach()[unused], before[name][unused]), name
            if name in active:
                assert not torch.equal(parameter.detach(), before[name]), name
            for kind in ("momentum", "exp_avg", "exp_avg_sq"):
                key = f"{kind}/{name}"
                if key in states:
                    assert torch.equal(state.optimizer.state[key][unused], states[key][unused])


def test_gradient_clipping_bounds_the_step() -> None:
    sizes = {}
    for clip in (1e-3, None):
        config = tiny_config(gradient_clip=clip, weight_decay=0.0, strategy="single_path").train
        recipe, state = set_up(config)
        before = [p.detach().clone() for p in state.supernet.parameters()]
        training_step(
            recipe, state, recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
        )
        moved = [p.detach() - b for p, b in zip(state.supernet.parameters(), before, strict=True)]
        sizes[clip] = float(torch.stack([m.norm() for m in moved]).norm())
    # Nesterov's first step is 1.9 times the gradient.
    rate = recipe.learning_rate(0)
    assert sizes[1e-3] == pytest.approx(1.9 * rate * 1e-3, rel=1e-3)
    assert sizes[None] > 2 * sizes[1e-3]


def test_dropout_draws_from_the_step_and_not_from_the_global_generator() -> None:
    results = []
    for seed in (1, 2):
        recipe, state = set_up(tiny_config(strategy="single_path").train)
        state.supernet.train()
        torch.manual_seed(seed)
        step = partial(training_step, recipe, state)
        results.append(step(recipe.splits.train.images[:16], recipe.splits.train.labels[:16]))
    assert results[0] == results[1]


def test_weights_scale_the_gradients_of_the_members() -> None:
    options = {"gradient_clip": None, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False}
    config = tiny_config(strategy="delayed", full_epochs=0, ramp_epochs=1, **options).train
    recipe, state = set_up(config)
    images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    largest, *others = drawn(recipe, 0)
    assert 0 < others[0].weight < 1

    state.sort_channels(largest_blocks(state))  # what the phase does; not a second time
    by_hand = copy.deepcopy(state.supernet)
    ready = normalise(images, (0.3,), (0.15,))
    logits = [
        by_hand(resize(ready, by_hand.space.resolution_of(m.architecture)), m.architecture)
        for m in (largest, *others)
    ]
    loss = cross_entropy(logits[0], labels, label_smoothing=0.1)
    for member, student in zip(others, logits[1:], strict=True):
        loss = loss + member.weight * cross_entropy(student, logits[0].detach().softmax(1))
    loss.backward()  # type: ignore[no-untyped-call]
    training_step(recipe, state, images, labels)
    for (name, ours), theirs in zip(
        state.supernet.named_parameters(), by_hand.parameters(), strict=True
    ):
        if theirs.grad is not None:
            moved = theirs.detach() - recipe.learning_rate(0) * theirs.grad
            torch.testing.assert_close(ours.detach(), moved, msg=name)


def largest_blocks(state: TrainState) -> dict[str, list[BlockSpec]]:
    space = state.supernet.space
    largest = compile_cost(space, Macs()).maximum().architecture
    return {slot: [block] for slot, block in space.blocks(largest).items() if block is not None}


def test_the_full_net_of_the_first_stage_teaches_the_later_ones() -> None:
    config = tiny_config(strategy="progressive", label_smoothing=0.0, teacher_weight=0.5).train
    recipe, state = set_up(config)
    batch = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    for _ in range(4):
        training_step(recipe, state, *batch)
    assert state.teacher is None
    full = copy.deepcopy(state.supernet)
    for step in range(4, 7):
        members = drawn(recipe, step)
        before = copy.deepcopy(state.supernet)
        found = training_step(recipe, state, *batch)
        assert state.teacher is not None
        space = before.space
        for member, (_, loss) in zip(members, found, strict=True):
            resolution = space.resolution_of(member.architecture)
            image = resize(normalise(batch[0], (0.3,), (0.15,)), resolution)
            largest = compile_cost(space, Macs()).maximum().architecture
            teacher = full(image, Architecture({**largest, "resolution": resolution}))
            student = before(image, member.architecture)
            soft = cross_entropy(student, teacher.softmax(1))
            by_hand = float((cross_entropy(student, batch[1]) + 0.5 * soft).detach())
            # In front of step 4 channels are sorted: a smaller width has others from then on.
            assert step == 4 or loss == pytest.approx(by_hand, rel=1e-4)
    unchanged = full.state_dict()
    assert all(torch.equal(t, unchanged[n]) for n, t in state.teacher.state_dict().items())


def test_mixed_images_are_learnt_with_mixed_labels() -> None:
    config = tiny_config(strategy="single_path", label_smoothing=0.0).train
    recipe, state = set_up(config)
    mixing = AugmentConfig(mixup=1.0)
    recipe = replace(recipe, augment=mixing)
    images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    (member,) = drawn(recipe, 0)
    ready = normalise(images, (0.3,), (0.15,))
    mixed, targets = mix(ready, labels, mixing, classes=4, rng=stream(0, "mix", 0))
    size = state.supernet.space.resolution_of(member.architecture)
    logits = state.supernet(resize(mixed, size), member.architecture).detach()
    by_hand = -(targets * logits.log_softmax(1)).sum(1).mean()
    ((_, loss),) = training_step(recipe, state, images, labels)
    assert loss == pytest.approx(float(by_hand), rel=1e-5)


def test_a_batch_of_several_architectures_equals_separate_passes() -> None:
    options = {"gradient_clip": None, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False}
    config = tiny_config(strategy="multi_architecture", **options).train
    splits, space = tiny_splits(), tiny_space(dropout=0.0)
    strategy = STRATEGIES["multi_architecture"](space, config, 4)
    recipe = Recipe(config, AugmentConfig(), 0, splits, strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space, seed=0), config)  # batch norm by each group's batch
    images, labels = splits.train.images[:16], splits.train.labels[:16]
    members = drawn(recipe, 0)
    assert len({space.id_of(m.architecture) for m in members}) == 3
    ready = normalise(images, splits.mean, splits.std)
    total = {n: torch.zeros_like(p) for n, p in state.supernet.named_parameters()}
    covered = []
    for member in members:
        separate = Supernet(space, seed=0)
        part = list(range(16))[member.images]
        covered += part
        size = space.resolution_of(member.architecture)
        logits = separate(resize(ready[part], size), member.architecture)
        loss = cross_entropy(logits, labels[part], label_smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, parameter in separate.named_parameters():
            if parameter.grad is not None:
                total[name] += parameter.grad * len(part) / 16
    assert sorted(covered) == list(range(16))
    before = {n: p.detach().clone() for n, p in state.supernet.named_parameters()}
    training_step(recipe, state, images, labels)
    for name, parameter in state.supernet.named_parameters():
        moved = before[name] - recipe.learning_rate(0) * total[name]
        torch.testing.assert_close(parameter.detach(), moved, msg=name)


@pytest.mark.parametrize("slots", [["*"], ["first", "sec*"]])
def test_blocks_learn_what_those_of_the_teacher_yield(slots: list[str]) -> None:
    options = {"strategy": "progressive", "label_smoothing": 0.0, "teacher_weight": 0.5}
    recipe, state = set_up(tiny_config(**options, inner_weight=3.0, inner_slots=slots).train)
    batch = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
    for _ in range(5):  # channels are sorted in front of the fifth
        training_step(recipe, state, *batch)
    before = copy.deepcopy(state.supernet)
    found = training_step(recipe, state, *batch)
    assert state.teacher is not None
    for member, (_, loss) in zip(drawn(recipe, 5), found, strict=True):
        resolution = before.space.resolution_of(member.architecture)
        image = resize(normalise(batch[0], (0.3,), (0.15,)), resolution)
        largest = compile_cost(before.space, Macs()).maximum().architecture
        ours: dict[str, torch.Tensor] = {}
        theirs: dict[str, torch.Tensor] = {}
        teacher = state.teacher(
            image, Architecture({**largest, "resolution": resolution}), outputs=theirs
        )
        student = before(image, member.architecture, outputs=ours)
        squares = [
            (ours[slot] - theirs[slot][:, : ours[slot].shape[1]]).square().mean()
            for slot in ours
            if slot != "head" and (slots == ["*"] or slot != "stem")
        ]
        by_hand = cross_entropy(student, batch[1]) + 0.5 * cross_entropy(
            student, teacher.softmax(1)
        )
        by_hand = by_hand + 3.0 * torch.stack(squares).mean()
        assert loss == pytest.approx(float(by_hand.detach()), rel=1e-4)


def test_a_step_in_bfloat16_keeps_the_weights_and_comes_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `train.amp` does on CUDA, with the CPU's autocast."""
    results = {}
    for kind in ("float32", "bfloat16"):
        recipe, state = set_up(tiny_config(strategy="sandwich", ema_decay=0.9).train)
        state.supernet.train()
        if kind == "bfloat16":
            monkeypatch.setattr(
                "nas.training.step._mixed_precision",
                lambda recipe: torch.autocast("cpu", torch.bfloat16),
            )
        images, labels = recipe.splits.train.images[:16], recipe.splits.train.labels[:16]
        results[kind] = [training_step(recipe, state, images, labels) for _ in range(4)]
        kinds = {tensor.dtype for tensor in state.tensors().values()}
        assert torch.bfloat16 not in kinds
    for exact, rounded in zip(results["float32"], results["bfloat16"], strict=True):
        assert exact != rounded
        assert [v for _, v in rounded] == pytest.approx([v for _, v in exact], rel=0.05)
