"""A stored teacher: what is stored, what is replayed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from nas.config import Config
from nas.data import AugmentConfig
from nas.errors import CheckpointError, ConfigError
from nas.training import STRATEGIES
from nas.training.state import TrainState
from nas.training.step import Recipe, augmented_batch, training_step
from nas.training.stored_teacher import StoredTeacher, answers_belong_to
from nas.training.storing import store_answers
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import (
    losses,
    moment,
    run_folder,
    tiny_config,
    tiny_space,
    tiny_splits,
    train_run,
)

CPU = torch.device("cpu")


def teacher() -> torch.nn.Module:
    space = tiny_space()
    return Supernet(space, seed=9).subnet(space.decode([1, 1, 1, 1, 1])).eval()


def stored(folder: Path, config: Config, *, top: int = 2, epochs: int = 2) -> StoredTeacher:
    return store_answers(
        teacher(), 12, tiny_splits(), config, folder, teacher="a test's", top=top, epochs=epochs
    )


def recipe_of(config: Config, answers: StoredTeacher) -> Recipe:
    strategy = STRATEGIES[config.train.strategy](tiny_space(), config.train, 4)
    splits = tiny_splits()
    return Recipe(config.train, config.augment, config.seed, splits, strategy, CPU, answers)


def taught(folder: Path, **options: object) -> Config:
    where = {"path": str(folder), "weight": 0.5}
    return tiny_config(strategy="single_path", stored_teacher=where, **options)


@pytest.mark.parametrize("top", [2, 4])
def test_the_answers_are_those_to_the_augmented_images(tmp_path: Path, top: int) -> None:
    config = tiny_config(strategy="single_path")
    answers = stored(tmp_path / "t", config, top=top)
    recipe = recipe_of(config, answers)
    images, labels = tiny_splits().train.images, tiny_splits().train.labels
    from nas.data import epoch_order

    for epoch in (0, 1):
        order = epoch_order(64, seed=config.seed, epoch=epoch)[16:32]
        batch = augmented_batch(recipe, epoch * 4 + 1, images[order], labels[order])
        exact = teacher()(batch.at(12)).detach().softmax(1)
        found = answers.logits(epoch, 1, device=CPU).softmax(1)
        best = exact.topk(top, dim=1)
        torch.testing.assert_close(found.gather(1, best.indices), best.values, rtol=2e-3, atol=0)
        torch.testing.assert_close(found.sum(1), torch.ones(16))
        if top == 2:  # the two classes left out share what is left
            left = (1 - best.values.sum(1, keepdim=True)) / 2
            rest = found.scatter(1, best.indices, -1.0)
            expected = left.expand(-1, 2).reshape(-1)
            torch.testing.assert_close(rest[rest >= 0], expected, rtol=0, atol=2e-3)


def test_a_step_learns_labels_and_answers_of_the_images_it_sees(tmp_path: Path) -> None:
    answers = stored(tmp_path / "t", tiny_config(strategy="single_path"))
    config = taught(tmp_path / "t", label_smoothing=0.0)
    recipe = recipe_of(config, answers)
    state = TrainState.begin(Supernet(tiny_space(), seed=0).eval(), config.train)
    state.step = 9  # of the third epoch, which sees the images of the first again
    images, labels = tiny_splits().train.images[:16], tiny_splits().train.labels[:16]
    (member,) = recipe.strategy.phases[0].draw(moment(9))
    batch = augmented_batch(recipe, 1, images, labels)
    size = tiny_space().resolution_of(member.architecture)
    logits = state.supernet(batch.at(size), member.architecture).detach()
    soft = cross_entropy(logits, answers.logits(0, 1, device=CPU).softmax(1))
    by_hand = float(cross_entropy(logits, labels) + 0.5 * soft)
    ((_, loss),) = training_step(recipe, state, images, labels)
    assert loss == pytest.approx(by_hand, rel=1e-5)


def test_another_seed_replays_the_order_and_augmentation_of_the_teacher(tmp_path: Path) -> None:
    answers = stored(tmp_path / "t", tiny_config(strategy="single_path"))
    recipe = recipe_of(taught(tmp_path / "t").model_copy(update={"seed": 5}), answers)
    assert (recipe.seed, recipe.data_seed) == (5, 0)
    assert [recipe.data_step(step) for step in range(10)] == [*range(8), 0, 1]


def test_storing_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    config = tiny_config(strategy="single_path")
    whole = stored(tmp_path / "whole", config)
    stored(tmp_path / "parts", config)
    (tmp_path / "parts" / "epoch-00001.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks 1 of 2 epochs, the first is 1: .* goes on"):
        StoredTeacher.open(tmp_path / "parts", {})
    parts = stored(tmp_path / "parts", config)
    for name in ("epoch-00000.safetensors", "epoch-00001.safetensors"):
        assert (whole.folder / name).read_bytes() == (parts.folder / name).read_bytes()


def test_training_by_a_stored_teacher_goes_on_bit_for_bit(tmp_path: Path) -> None:
    stored(tmp_path / "t", tiny_config(strategy="single_path"))
    options = {"strategy": "single_path", "stored_teacher": {"path": str(tmp_path / "t")}}
    whole, parts = (run_folder(tmp_path / name, **options) for name in "wp")
    train_run(whole)
    from nas.errors import InterruptedRunError

    def stop(done: int, total: int, text: str) -> None:
        import signal

        if done == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train_run(parts, progress=stop)
    train_run(parts)
    assert losses(parts) == losses(whole)


def test_what_a_stored_teacher_does_not_belong_to_is_refused(tmp_path: Path) -> None:
    stored(tmp_path / "t", tiny_config(strategy="single_path"))
    run = run_folder(tmp_path / "r", strategy="single_path", stored_teacher={"path": "nowhere"})
    with pytest.raises(CheckpointError, match=r"nowhere holds no stored teacher.*nas teacher"):
        train_run(run)
    splits = tiny_splits()
    right = AugmentConfig(crop_padding=1, cutout=2)
    StoredTeacher.open(tmp_path / "t", answers_belong_to(splits, 16, right))
    for belongs, what in (
        (answers_belong_to(splits, 16, AugmentConfig()), r"augment\.crop_padding was 1, now it"),
        (answers_belong_to(splits, 32, right), "batch_size was 16, now it is 32"),
        (answers_belong_to(tiny_splits(65), 16, right), "data was"),
    ):
        with pytest.raises(CheckpointError, match=what):
            StoredTeacher.open(tmp_path / "t", belongs)
    about = json.loads((tmp_path / "t" / "teacher.json").read_text())
    for change, what in (
        ({"format": 2}, "has stored teacher format 2"),
        ({"kind": "x"}, "is no stored teacher"),
    ):
        (tmp_path / "t" / "teacher.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(CheckpointError, match=what):
            StoredTeacher.open(tmp_path / "t", {})


def test_a_damaged_epoch_is_named(tmp_path: Path) -> None:
    answers = stored(tmp_path / "t", tiny_config(strategy="single_path"))
    (tmp_path / "t" / "epoch-00001.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r"epoch-00001.* damaged.*store the teacher again"):
        answers.logits(1, 0, device=CPU)


def test_a_strategy_with_a_teacher_of_its_own_takes_no_stored_one() -> None:
    with pytest.raises(ConfigError, match="stored_teacher"):
        tiny_config(strategy="progressive", stored_teacher={"path": "t"})


def test_two_bytes_for_a_class_and_two_for_its_probability(tmp_path: Path) -> None:
    answers = stored(tmp_path / "t", tiny_config(strategy="single_path"), top=3)
    files = sorted((tmp_path / "t").glob("*.safetensors"))
    header = sum(int.from_bytes(path.read_bytes()[:8], "little") + 8 for path in files)
    size = sum(path.stat().st_size for path in files)
    assert size - header == 2 * 64 * 3 * (2 + 2)
    assert answers.bytes_per_image_and_epoch * 2 * 64 > size
