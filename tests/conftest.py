"""Slow tests, which take long or drive something big: `make test` leaves them out, `.ci/run` does not."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
#: Folders and files of slow tests, from here.
SLOW = (
    "differential",
    "explore",
    "mutation",
    "sensitivity/test_work.py",
    "subjects/binary",
    "subjects/firmware",
    "subjects/python/test_hostile.py",
    "subjects/qemu",
    "reporting/test_browser.py",
    "reporting/test_interruption.py",
    "vacuity",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    for item in items:
        if item.path.relative_to(_HERE).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
