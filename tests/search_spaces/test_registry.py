"""Spaces by name: built-in ones, and a user's own found through an entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from predictors.testing import CostSuite
from search_spaces import SearchSpace, SpaceError, get_space, list_spaces, register_space, registry
from search_spaces.testing import SpaceSuite

MY_SPACE = '''
"""A third party's package: a block family of its own and a space over it, in one file."""

from __future__ import annotations

from search_spaces import SearchSpace, SpaceBuilder
from search_spaces.blocks import INPUT, BlockSpec, Conv, Head, Layer, Shape, Tape
from search_spaces.blocks.spec import block_family


@block_family
class MyBottleneck(BlockSpec):
    """1x1, 3x3, 1x1 convolutions and a shortcut (He et al. 2016)."""

    channels: int
    mid: int
    hw: int

    @property
    def in_shape(self) -> Shape:
        return (self.channels, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        tape = Tape(self.in_shape)
        x = tape.conv_bn_act(INPUT, self.mid, act="relu")
        x = tape.conv_bn_act(x, self.mid, kernel=3, act="relu")
        x = tape.conv_bn_act(x, self.channels)
        tape.act(tape.add(x, INPUT), "relu")
        return tape.layers


def my_space(classes: int = 10, hw: int = 16) -> SearchSpace:
    """A user's own space."""
    builder = SpaceBuilder("my_space")
    builder.slot("stem", block=lambda: Conv(3, 16, hw, kernel=3))
    depth = builder.choice("depth", (1, 2, 3))
    for b in range(3):
        mid = builder.choice(f"mid_{b}", (4, 8))
        builder.slot(
            f"block{b}",
            reads=(depth, mid),
            block=lambda d, m, b=b: MyBottleneck(16, m, hw) if b < d else None,
        )
    builder.slot("head", block=lambda: Head(16, classes, hw))
    return builder.build()


def renamed(classes: int = 10) -> SearchSpace:
    return my_space(classes)


def without_default(classes) -> SearchSpace:
    return my_space(classes)


number = 3
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Fake an installed package with spaces; tests may announce more of them."""
    (tmp_path / "my_package_of_spaces.py").write_text(MY_SPACE)
    monkeypatch.syspath_prepend(tmp_path)
    announced = {"my_space": "my_package_of_spaces:my_space"}

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "nas.search_spaces"
        entries = [EntryPoint(key, value, group) for key, value in announced.items()]
        return [entry for entry in entries if name in (None, entry.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    yield announced
    sys.modules.pop("my_package_of_spaces", None)


class TestASpaceOfOnesOwn(SpaceSuite, CostSuite):
    """The suites as a third party uses them; its family has no torch modules."""

    @pytest.fixture
    def space(self, installed: dict[str, str]) -> SearchSpace:
        return get_space("my_space")

    test_supernet_equals_the_extracted_subnet = None
    test_gradients_outside_the_active_slice_are_zero = None
    test_counts_of_the_built_network = None


def test_a_space_of_ones_own_is_listed_and_found(installed: dict[str, str]) -> None:
    assert "my_space" in list_spaces()
    space = get_space("my_space", classes=3)
    assert space.name == "my_space"
    assert space.options == {"classes": 3, "hw": 16}
    assert space.size == 2 + 4 + 8


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package:space", "no_such_package:space cannot be loaded: No module named"),
        ("my_package_of_spaces:nothing", "cannot be loaded"),
        ("my_package_of_spaces:number", "must be a function"),
        ("my_package_of_spaces:without_default", "needs a default for 'classes'"),
        ("my_package_of_spaces:renamed", "built one that is named 'my_space'"),
    ],
)
def test_a_broken_package_is_named(installed: dict[str, str], value: str, message: str) -> None:
    installed["broken"] = value
    assert "broken" in list_spaces()
    with pytest.raises(SpaceError, match=message) as error:
        get_space("broken")
    assert "broken" in str(error.value)
    assert get_space("my_space").size == 14


def test_built_in_spaces_are_listed() -> None:
    assert {"mobile_small", "ofa_mobilenet_v3", "spos_shufflenet_v2"} <= set(list_spaces())


def test_options_are_kept_for_json() -> None:
    space = get_space("ofa_mobilenet_v3", width=1.2, resolutions=range(160, 225, 32))
    assert space.options == {
        "width": 1.2,
        "classes": 1000,
        "resolutions": [160, 192, 224],
        "dropout": 0.1,
    }
    again = get_space(space.name, **json.loads(json.dumps(space.options)))
    assert again.fingerprint == space.fingerprint


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobile_smal", {}, "no search space 'mobile_smal'. Did you mean 'mobile_small'"),
        ("mobile_small", {"class": 3}, "no option 'class'. Did you mean 'classes'"),
        ("mobile_small", {"classes": "10"}, "'classes' of space 'mobile_small' must be a whole"),
        ("mobile_small", {"classes": True}, "must be a whole number, got True"),
        ("mobile_small", {"classes": 2.5}, "must be a whole number, got 2.5"),
        ("mobile_small", {"classes": 0}, r"\(classes=0\): classes must be above zero, got 0"),
        ("mobile_small", {"channels": -1}, "channels must be above zero"),
        ("mobile_small", {"stem_stride": 0}, "stem_stride must be above zero"),
        ("mobile_small", {"dropout": 1.5}, "dropout must be at least 0 and below 1, got 1.5"),
        ("mobile_small", {"resolutions": 32}, "must be a list, got 32"),
        ("mobile_small", {"resolutions": "32"}, "must be a list, got '32'"),
        ("mobile_small", {"resolutions": [32, "a"]}, "every item must be a whole number"),
        ("mobile_small", {"resolutions": []}, "'resolution' has no options"),
        ("mobile_small", {"resolutions": [32, 32]}, "repeats an option"),
        ("mobile_small", {"resolutions": [0]}, "resolutions must be above zero, got 0"),
        ("ofa_mobilenet_v3", {"width": "wide"}, "must be a number, got 'wide'"),
        ("ofa_mobilenet_v3", {"width": 0}, "width must be above zero"),
        ("spos_shufflenet_v2", {"resolution": [224]}, "must be a whole number"),
        ("compofa", {"elastic_kernel": 1}, "must be bool, got 1"),
        ("efficientnet", {"widths": [1.0, -1.0]}, "widths must be above zero, got -1.0"),
        ("proxyless", {"widths": [16.5] * 9}, "every item must be a whole number, got 16.5"),
    ],
)
def test_mistakes_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space(name, **options)


def test_a_whole_number_is_a_number() -> None:
    assert (
        get_space("ofa_mobilenet_v3", width=1).fingerprint
        == get_space("ofa_mobilenet_v3").fingerprint
    )


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_factories", {})

    def factory() -> SearchSpace:
        raise NotImplementedError

    assert register_space("mine")(factory) is factory
    register_space("mine")(factory)  # a module that is loaded again
    with pytest.raises(SpaceError, match=r"already registered by .*factory; .* needs another"):
        register_space("mine")(lambda: factory())


def test_spaces_and_costs_need_no_torch() -> None:
    """With torch made unimportable: build every space, compile costs, ask extremes and ids."""
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('blocked', name='torch')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "import search_spaces, predictors\n"
        "import search_spaces.testing, predictors.testing\n"
        "for name in search_spaces.list_spaces():\n"
        "    space = search_spaces.get_space(name)\n"
        "    table = predictors.compile_cost(space, predictors.Macs())\n"
        "    smallest = table.minimum()\n"
        "    print(space.id_of(smallest.architecture), table.breakdown(smallest.architecture))\n"
        "    space.layer_graph(smallest.architecture)\n"
        "assert 'torch' not in sys.modules and 'pytest' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3
