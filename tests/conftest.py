"""Fixtures shared by all tests."""

from __future__ import annotations

import os

# The tests' networks are tiny: a second thread costs more than it brings. Child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is no failure: no time limit for single examples.
settings.register_profile("repository", deadline=None)
settings.load_profile("repository")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of published tables and images that lies beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the reference data folder ../shared/data is not beside this checkout")
    return SHARED_DATA


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked as for a GPU where there is none."""
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
