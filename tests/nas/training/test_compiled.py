"""Compiled steps: what they compute, what is compiled, and what happens where that fails."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch._dynamo.utils import counters

from nas.errors import ConfigError, InterruptedRunError
from nas.training.compiled import CompiledForwards
from nas.training.largest import largest, largest_at
from nas.world import World
from search_spaces import Architecture, SpaceBuilder
from search_spaces.blocks import Conv, Head
from search_spaces.modules.shard import Shard, sharded
from search_spaces.supernet import Regularisation, Supernet
from tests.nas.training.jobs import losses, newest, run_folder, tiny_space, train_run

DROPPED = Regularisation(drop_path=0.4)


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace, and differentiate the trace, but run torch's own kernels: it takes no compiler."""
    torch._dynamo.reset()
    counters.clear()
    defaults = CompiledForwards.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "backend", "aot_eager")


def pass_of(
    forward: Any, supernet: Supernet, architecture: Architecture, **options: Any
) -> dict[str, Tensor]:
    """Return the logits and the gradients of all parameters of one seeded pass."""
    torch.manual_seed(1)
    x = torch.randn(6, *supernet.space.input_shape_of(architecture))
    supernet.zero_grad()
    logits = forward(x, architecture, **options)
    logits.square().sum().backward()
    found = {n: p.grad.clone() for n, p in supernet.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **found}


@pytest.mark.usefixtures("traced_only")
@pytest.mark.parametrize(
    ("strategy", "options", "graphs"),
    [
        ("sandwich", {}, 2),  # largest and smallest, not the random ones
        ("delayed", {}, 2),
        ("progressive", {"inner_weight": 0.5}, 4),  # the first stage and the teacher, both sizes
        ("netaug", {}, 1),
        ("single_path", {}, 0),
    ],
)
def test_a_compiled_training_ends_where_the_other_ends(
    tmp_path: Path, strategy: str, options: dict[str, Any], graphs: int
) -> None:
    options |= {"strategy": strategy, "drop_path": 0.3}
    plain, compiled = run_folder(tmp_path / "p", **options), tmp_path / "c"
    train_run(plain)
    train_run(run_folder(compiled, compile=True, **options))
    assert counters["stats"].get("unique_graphs", 0) == graphs
    expected = load_file(newest(plain))
    for name, tensor in load_file(newest(run_folder(compiled))).items():
        torch.testing.assert_close(tensor, expected[name], msg=name)


@pytest.mark.usefixtures("traced_only")
def test_a_compiled_training_that_was_stopped_ends_bit_for_bit_alike(tmp_path: Path) -> None:
    options = {"strategy": "delayed", "compile": True, "checkpoint_every_s": 0}
    whole, parts = (run_folder(tmp_path / name, **options) for name in "wp")
    train_run(whole)

    def stop(done: int, total: int, text: str) -> None:
        if done in (3, 11):
            raise InterruptedRunError("enough")

    for _ in range(2):
        with pytest.raises(InterruptedRunError):
            train_run(parts, progress=stop)
    train_run(parts)
    expected = load_file(newest(whole))
    for name, tensor in load_file(newest(parts)).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(parts) == losses(whole)


@pytest.mark.usefixtures("traced_only")
def test_a_part_of_a_batch_is_compiled_as_it_runs() -> None:
    shard = Shard(2, 12, None)
    supernet = Supernet(tiny_space(), seed=0).train()
    with sharded(shard):
        expected = pass_of(supernet, supernet, largest(supernet.space), regularisation=DROPPED)
    alone = pass_of(supernet, supernet, largest(supernet.space), regularisation=DROPPED)
    assert not torch.equal(alone["logits"], expected["logits"])
    forwards = CompiledForwards()

    def forward(x: Tensor, architecture: Architecture, **options: Any) -> Tensor:
        return forwards(supernet, x, architecture, shard=shard, **options)

    found = pass_of(forward, supernet, largest(supernet.space), regularisation=DROPPED)
    assert counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(found, expected)


def test_shared_statistics_are_not_compiled(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", compile=True)
    with pytest.raises(ConfigError, match="sync_batch_norm = false"):
        train_run(run, world=World(0, 2))


@pytest.mark.usefixtures("traced_only")
def test_more_architectures_than_torch_keeps_for_one_function() -> None:
    builder = SpaceBuilder("many sizes")
    r = builder.choice("resolution", range(4, 14))
    builder.slot("stem", reads=(r,), block=lambda r: Conv(1, 2, r, kernel=3))
    builder.slot("head", reads=(r,), block=lambda r: Head(2, 2, r))
    space = builder.build()
    supernet, forwards = Supernet(space, seed=0).train(), CompiledForwards(backend="eager")
    for resolution in [*range(4, 14)] * 2:
        x = torch.randn(2, 1, resolution, resolution)
        architecture = largest_at(space, resolution)
        torch.testing.assert_close(
            forwards(supernet, x, architecture), supernet(x, architecture), msg=str(resolution)
        )
    assert counters["stats"]["unique_graphs"] == 10


def test_where_torch_cannot_compile_the_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch._dynamo.reset()
    plain, compiled = (
        run_folder(tmp_path / str(on), strategy="delayed", epochs=3, compile=on)
        for on in (False, True)
    )
    train_run(plain)
    no_compiler = torch._inductor.config.patch("cpp.cxx", ("no-such-compiler",))
    with caplog.at_level(logging.WARNING, "nas.training"), no_compiler:
        train_run(compiled)
    (warning,) = [r.message for r in caplog.records if r.name == "nas.training.compiled"]
    assert "goes on without" in warning
    assert "C++ compiler" in warning
    expected = load_file(newest(plain))
    for name, tensor in load_file(newest(compiled)).items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.slow
def test_compiled_kernels_compute_what_torchs_do() -> None:
    torch._dynamo.reset()
    space = tiny_space()
    supernet, forwards = Supernet(space, seed=0).train(), CompiledForwards()
    expected = pass_of(supernet, supernet, largest(space), regularisation=DROPPED)

    def forward(x: Tensor, architecture: Architecture, **options: Any) -> Tensor:
        return forwards(supernet, x, architecture, **options)

    found = pass_of(forward, supernet, largest(space), regularisation=DROPPED)
    assert not forwards.failed
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
