"""Tests of binaries need Debian's OVMF and QEMU where they say so; without them they are skipped, but not in CI."""

import os
from pathlib import Path

import pytest

from sevconf.subjects.qemu.process import PACKAGE, installed

#: Debian's firmware, and its package.
OVMF, OVMF_PACKAGE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), "ovmf"


@pytest.fixture(scope="session")
def ovmf() -> Path:
    """Debian's OVMF, on a machine that has QEMU too; in CI, which sets SEVCONF_REQUIRE_QEMU, both must be there."""
    missing = [package for package, there in ((OVMF_PACKAGE, OVMF.is_file()), (PACKAGE, installed())) if not there]
    if missing:
        reason = f"install Debian's packages {', '.join(missing)}"
        if os.environ.get("SEVCONF_REQUIRE_QEMU"):
            pytest.fail(reason)
        pytest.skip(reason)
    return OVMF
