"""Once-for-all's weights in our supernet: equal outputs, and what is wrong with a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.cli import main
from nas.errors import CheckpointError, ConfigError
from nas.foreign import import_checkpoint, load_supernet_file, save_supernet_file
from nas.runs import RunFolder
from nas.training import load_supernet
from search_spaces import SearchSpace, get_space
from search_spaces.supernet import Supernet
from tests.nas.foreign import resnet_reference
from tests.nas.foreign.ofa_reference import MOBILENET, PROXYLESS, Reference, settings, shapes
from tests.nas.foreign.reference import assert_equal, by_settings, random_state, saved

CLASSES = 10
Logits = Callable[[Tensor, list[int], list[int], list[int]], Tensor]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_state(shapes(MOBILENET, 1.0, CLASSES), torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return _space(1.0)


@pytest.fixture
def checkpoint(state: dict[str, Tensor], tmp_path: Path) -> Path:
    return saved(tmp_path, {"state_dict": state})


def _space(width: float) -> SearchSpace:
    return get_space("ofa_mobilenet_v3", width=width, classes=CLASSES, resolutions=[32, 48])


def test_random_subnets_compute_what_the_published_network_computes(
    state: dict[str, Tensor], space: SearchSpace, checkpoint: Path
) -> None:
    supernet = import_checkpoint(checkpoint, space, format="ofa")
    assert not supernet.training
    theirs = by_settings(Reference(MOBILENET, state), settings)
    assert_equal(supernet, theirs, subnets=12)


def test_proxyless_subnets_compute_what_the_published_network_computes(tmp_path: Path) -> None:
    """Batch norm's epsilon is a hundred times larger there, which shows."""
    state = random_state(shapes(PROXYLESS, 1.3, CLASSES), torch.Generator().manual_seed(0))
    options = {"classes": CLASSES, "resolutions": [32, 48]}
    space = get_space("ofa_proxyless", **options)
    path = saved(tmp_path, {"state_dict": state})
    theirs = by_settings(Reference(PROXYLESS, state), settings)
    supernet = import_checkpoint(path, space, format="ofa")
    assert_equal(supernet, theirs, subnets=12)
    architecture = space.decode(space.sample(1, np.random.default_rng(0))[0])
    norms = [m for m in supernet.subnet(architecture).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {1e-3}
    smaller = get_space("ofa_proxyless", bn_eps=1e-5, **options)
    with pytest.raises(AssertionError):
        assert_equal(import_checkpoint(path, smaller, format="ofa"), theirs, subnets=1)


def test_resnet_subnets_compute_what_the_published_network_computes(tmp_path: Path) -> None:
    state = random_state(resnet_reference.shapes(CLASSES), torch.Generator().manual_seed(0))
    space = get_space("ofa_resnet50", classes=CLASSES, resolutions=[32, 64])
    theirs = by_settings(resnet_reference.Reference(state), resnet_reference.settings)
    path = saved(tmp_path, {"state_dict": state})
    assert_equal(import_checkpoint(path, space, format="ofa"), theirs, subnets=12)


@pytest.mark.parametrize("space_name", ["ofa_proxyless", "ofa_resnet50"])
def test_what_the_other_supernets_lack_is_listed(space_name: str, tmp_path: Path) -> None:
    family = shapes(PROXYLESS, 1.3, CLASSES)
    sizes = family if space_name == "ofa_proxyless" else resnet_reference.shapes(CLASSES)
    state = random_state(sizes, torch.Generator().manual_seed(0))
    first = next(name for name in state if name.startswith("blocks.3."))
    del state[first]
    state["blocks.99.conv.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"1 missing: blocks\.3\..*1 unknown: blocks\.99"):
        import_checkpoint(
            saved(tmp_path, state), get_space(space_name, classes=CLASSES), format="ofa"
        )


def test_the_spelling_of_the_published_files(
    state: dict[str, Tensor], space: SearchSpace, tmp_path: Path
) -> None:
    """Blocks under mobile_inverted_conv, a data-parallel prefix, plain names for batch norm."""
    older = {
        "module." + n.replace(".conv.", ".mobile_inverted_conv.", 1)
        if n.startswith("blocks.")
        else "module." + n: t
        for n, t in state.items()
    }
    older = {n.replace(".bn.bn.", ".bn."): t for n, t in older.items()}
    supernet = import_checkpoint(saved(tmp_path, older), space, format="ofa")
    expected = import_checkpoint(saved(tmp_path, state), space, format="ofa").state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in supernet.state_dict().items())


def test_every_tensor_is_taken_over_once(state: dict[str, Tensor], space: SearchSpace) -> None:
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert len(Supernet(space).state_dict()) == len(state) - len(counters)
    sizes = sum(tensor.numel() for tensor in Supernet(space).state_dict().values())
    assert sizes == sum(t.numel() for n, t in state.items() if n not in counters)


def test_missing_extra_and_misshaped_tensors_are_listed(
    state: dict[str, Tensor], space: SearchSpace, tmp_path: Path
) -> None:
    wrong = dict(state)
    del wrong["blocks.5.conv.depth_conv.conv.7to5_matrix"]
    wrong["blocks.99.conv.weight"] = torch.zeros(3)
    wrong["classifier.linear.bias"] = torch.zeros(1000)
    wrong["first_conv.bn.bias"] = torch.full((16,), float("nan"))
    with pytest.raises(CheckpointError) as refused:
        import_checkpoint(saved(tmp_path, wrong), space, format="ofa")
    for part in (
        "1 missing: blocks.5.conv.depth_conv.conv.7to5_matrix",
        "1 unknown: blocks.99.conv.weight",
        "classifier.linear.bias is [1000], needed is [10]",
        "1 with NaN or infinity: first_conv.bn.bias",
    ):
        assert part in str(refused.value)
    with pytest.raises(CheckpointError, match=r"of another shape.*width=1\.2"):
        import_checkpoint(saved(tmp_path, state), _space(1.2), format="ofa")
    twice = {**state, "first_conv.conv.conv.weight": state["first_conv.conv.weight"]}
    with pytest.raises(CheckpointError, match="twice"):
        import_checkpoint(saved(tmp_path, twice), space, format="ofa")


class _Unsafe:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must not run",))


def test_files_that_are_no_checkpoint(
    space: SearchSpace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for value, match in (
        ([1], "not a state dict"),
        ({}, "not a state dict"),
        ({"a": 1}, "no tensors"),
        (_Unsafe(), "plain tensors"),
    ):
        with pytest.raises(CheckpointError, match=match):
            import_checkpoint(saved(tmp_path, value), space, format="ofa")
    assert "this must not run" not in capsys.readouterr().out
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04half")
    with pytest.raises(CheckpointError, match="damaged"):
        import_checkpoint(tmp_path / "cut.pth", space, format="ofa")
    with pytest.raises(CheckpointError, match="Cannot read"):
        import_checkpoint(tmp_path / "none.pth", space, format="ofa")
    with pytest.raises(ConfigError, match="Did you mean 'ofa'"):
        import_checkpoint(tmp_path / "none.pth", space, format="off")
    with pytest.raises(ConfigError, match="not of 'mobile_small'"):
        import_checkpoint(tmp_path / "none.pth", get_space("mobile_small"), format="ofa")


def test_the_command_writes_a_file_that_loads_back(
    space: SearchSpace, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "supernet.safetensors"
    command = ["import-checkpoint", "--format", "ofa", str(checkpoint)]
    named = ["--space", "ofa_mobilenet_v3", "--option", f"classes={CLASSES}"]
    sized = [*named, "--option", "resolutions=[32, 48]"]
    assert main([*command, *sized, "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "ofa checkpoint foreign.pth"
    loaded = load_supernet_file(out)
    assert loaded.space.fingerprint == space.fingerprint
    expected = import_checkpoint(checkpoint, space, format="ofa").state_dict()
    assert all(torch.equal(t, expected[n]) for n, t in loaded.state_dict().items())
    part = space.restrict({"resolution": [32]})
    out = tmp_path / "part.safetensors"
    assert main([*command, *sized, "--keep", "resolution=[32]", "--out", str(out)]) == 0
    assert load_supernet_file(out).space.fingerprint == part.fingerprint
    assert main([*command, *named, "--out", str(tmp_path / "run")]) == 2
    assert ".safetensors" in capsys.readouterr().err


def test_a_run_folder_holds_the_imported_supernet(
    space: SearchSpace, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "search.toml"
    config.write_text(
        f'[space]\nname = "ofa_mobilenet_v3"\n'
        f"options = {{ classes = {CLASSES}, resolutions = [32, 48] }}\n"
        '[data]\nformat = "digits"\nvalidation = 200\n'
        "[train]\nepochs = 1\nbatch_size = 64\nlearning_rate = 0.05\n"
        '[search.limits]\nmacs = "50%"\n',
        encoding="utf-8",
    )
    command = ["import-checkpoint", "--format", "ofa", str(checkpoint), "--config", str(config)]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "nas search --resume" in capsys.readouterr().out
    run = RunFolder.open(tmp_path / "run")
    assert run.stages()["train"] == "done"
    expected = import_checkpoint(checkpoint, space, format="ofa").state_dict()
    loaded = load_supernet(run, space).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.items())
    assert main([*command, "--out", str(tmp_path / "run")]) == 2
    assert main([*command, "--space", "ofa_mobilenet_v3", "--out", str(tmp_path / "new")]) == 2


def test_supernet_files_that_are_damaged_or_foreign(space: SearchSpace, tmp_path: Path) -> None:
    path = tmp_path / "supernet.safetensors"
    save_supernet_file(Supernet(space), path, source="test")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="missing, truncated or damaged"):
        load_supernet_file(path)
    path.write_bytes(data.replace(b"nas supernet", b"another kind"))
    with pytest.raises(CheckpointError, match="is no supernet of this engine"):
        load_supernet_file(path)
    fingerprint = space.fingerprint.encode()
    path.write_bytes(data.replace(fingerprint, b"0" * len(fingerprint)))
    with pytest.raises(CheckpointError, match="another version"):
        load_supernet_file(path)
