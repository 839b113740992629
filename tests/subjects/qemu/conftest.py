"""These tests need QEMU: where it is missing they are skipped, unless somebody says that it must be there."""

import os

import pytest

from sevconf.subjects.qemu.process import PACKAGE, installed


@pytest.fixture(autouse=True, scope="session")
def qemu() -> None:
    """Skip without QEMU; in CI, which sets SEVCONF_REQUIRE_QEMU, fail."""
    if not installed():
        reason = f"there is no QEMU: install Debian's package {PACKAGE}"
        if os.environ.get("SEVCONF_REQUIRE_QEMU"):
            pytest.fail(reason)
        pytest.skip(reason)
