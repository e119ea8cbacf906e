from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Architecture, SpaceError, read_architecture

NAMES = st.text(min_size=1, max_size=8)
OPTIONS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
ARCHITECTURES = st.dictionaries(NAMES, OPTIONS, max_size=6).map(Architecture)


@given(ARCHITECTURES)
def test_json_round_trip(architecture: Architecture) -> None:
    again = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    assert again == architecture
    assert hash(again) == hash(architecture)


@given(ARCHITECTURES)
def test_it_is_a_value(architecture: Architecture) -> None:
    reordered = Architecture(dict(reversed(list(architecture.items()))))
    assert reordered == architecture
    assert hash(reordered) == hash(architecture)
    for twin in (copy.deepcopy(architecture), pickle.loads(pickle.dumps(architecture))):
        assert twin == architecture
    assert len({architecture, reordered}) == 1
    assert architecture != dict(architecture)


def test_it_cannot_be_changed_from_outside() -> None:
    options = {"kernel": 3}
    architecture = Architecture(options)
    options["kernel"] = 5
    architecture.to_json()["kernel"] = 7
    assert architecture["kernel"] == 3
    with pytest.raises(TypeError):
        architecture["kernel"] = 5  # type: ignore[index]


def test_replace_changes_a_copy() -> None:
    architecture = Architecture({"kernel": 3, "depth": 2})
    assert architecture.replace(kernel=5) == Architecture({"kernel": 5, "depth": 2})
    assert architecture["kernel"] == 3


def test_repr_shows_the_options() -> None:
    assert repr(Architecture({"op": "skip", "k": 3})) == "Architecture(op='skip', k=3)"


@pytest.mark.parametrize("value", [None, [1], "kernel", {"kernel": [3]}, {"kernel": None}])
def test_other_json_is_refused(value: object) -> None:
    with pytest.raises(SpaceError):
        Architecture.from_json(value)


def test_files_of_both_shapes_are_read(tmp_path: Path) -> None:
    plain, exported = tmp_path / "plain.json", tmp_path / "exported.json"
    plain.write_text('{"kernel": 3}')
    exported.write_text('{"id": "00", "architecture": {"kernel": 3}}')
    assert read_architecture(plain) == read_architecture(exported) == Architecture({"kernel": 3})


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"kernel": null}', b"\xff\xfe"])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(SpaceError):
        read_architecture(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"nowhere\.json"):
        read_architecture(tmp_path / "nowhere.json")
