"""What tests on real firmware share; without QEMU they are left out, and say what to install."""

import os
from collections.abc import Iterator

import pytest

from sevconf.subjects.firmware.boards import BOARDS
from sevconf.subjects.firmware.packages import missing
from sevconf.subjects.firmware.target import FirmwareTarget

_MISSING = sorted(
    {*missing(), *(board.package for board in BOARDS.values() if not board.image.is_file())},
)


@pytest.fixture(scope="session")
def u_boot() -> Iterator[FirmwareTarget]:
    """Return the firmware that boots in the shortest time; in CI its absence is a failure."""
    if _MISSING and os.environ.get("CI") != "true" and not os.environ.get("SEVCONF_REQUIRE_QEMU"):
        pytest.skip(f"not run on real firmware: install Debian's packages {', '.join(_MISSING)}")
    target = FirmwareTarget("u-boot")
    yield target
    target.close()
