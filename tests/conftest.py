"""What the tests share: where the optional real data is."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Tests that import Keras themselves would hear what vidcam keeps from its users.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Nothing is kept in the user's own cache, neither by the tests nor by the programs that they start.
# Processes that test side by side share what one of them has built.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.mkdtemp(prefix="vidcam-test-cache-")
    os.environ["VIDCAM_CACHE"] = _cache
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a browser, so that it can be run, or left out, apart from the rest."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos, pictures and weights; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data is not here")
    return SHARED_DATA
