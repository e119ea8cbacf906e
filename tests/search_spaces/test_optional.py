from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from search_spaces import MissingExtraError
from search_spaces.optional import import_optional


def test_an_installed_module_is_returned() -> None:
    assert import_optional("json", extra="x", purpose="A test") is json


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"^Counting needs .*`no_such_package`.*\[count\]"):
        import_optional("no_such_package.nn", extra="count", purpose="Counting")


def test_a_missing_dependency_of_the_package_is_the_one_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package_that_needs_more.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="`no_such_dependency`"):
        import_optional("package_that_needs_more", extra="x", purpose="A test")
    sys.modules.pop("package_that_needs_more", None)
