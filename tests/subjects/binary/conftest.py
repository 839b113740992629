"""Binaries for the tests: Debian's IoMmuDxe, and what mingw-w64 makes of our own driver in C."""

import os
import subprocess
from pathlib import Path

import pytest

from sevconf.subjects.binary.images.files import load, place_of
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.qemu.process import PACKAGE, installed

#: Where Debian's package `ovmf` puts the firmware.
OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
_OVMF_PACKAGE = "ovmf"
SOURCE = Path(__file__).parents[2] / "exerciser" / "iommu.c"
_FLAGS = (
    *("-std=c11", "-Wall", "-Werror", "-Wno-unused-parameter", "-O2", "-ffreestanding", "-nostdlib"),
    *("-fno-tree-loop-distribute-patterns", "-mno-red-zone", "-mgeneral-regs-only"),
    *("-Wl,--subsystem,11", "-Wl,-e,efi_main"),
)


def built(folder: Path, fault: str = "") -> Path:
    """Build our driver, with a fault or without; the linker's map lies beside it."""
    image = folder / f"{fault.lower() or 'right'}.efi"
    define = (f"-DFAULT_{fault}",) if fault else ()
    command = ["x86_64-w64-mingw32-gcc", *_FLAGS, *define, f"-Wl,-Map={image.with_suffix('.map')}"]
    subprocess.run([*command, "-o", str(image), str(SOURCE)], check=True)
    return image


@pytest.fixture(scope="session")
def iommu_dxe() -> Image:
    """Debian's driver."""
    return load(place_of(f"{OVMF}#IoMmuDxe"))


@pytest.fixture(scope="session")
def right_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our driver, without a fault."""
    return built(tmp_path_factory.mktemp("exerciser"))


@pytest.fixture(scope="session")
def ovmf() -> Path:
    """Debian's OVMF, on a machine that has QEMU too; in CI, which sets SEVCONF_REQUIRE_QEMU, both must be there."""
    missing = [package for package, there in ((_OVMF_PACKAGE, OVMF.is_file()), (PACKAGE, installed())) if not there]
    if missing:
        reason = f"install Debian's packages {', '.join(missing)}"
        if os.environ.get("SEVCONF_REQUIRE_QEMU"):
            pytest.fail(reason)
        pytest.skip(reason)
    return OVMF
