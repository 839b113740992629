"""
Boards: what a firmware runs on, as its name on the command line says.

`ovmf` and `u-boot` are Debian's packages; `firmware:IMAGE` is any other image. Options follow the name, each behind a
comma, from a closed list: `image=` and `vars=` (files), `qemu=` (QEMU's binary), `disk=` (`virtio-blk` or `ide-hd`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

from sevconf.errors import UsageError
from sevconf.subjects.firmware.media import Layout
from sevconf.subjects.firmware.packages import image as file_of
from sevconf.subjects.firmware.packages import tool
from sevconf.subjects.near import near

#: How the boot disk is connected, and how its file system has to lie on it to be found.
DISKS = {"virtio-blk": Layout.BARE, "ide-hd": Layout.PARTITION}
_OPTIONS = ("image", "vars", "qemu", "disk")
_FLASH_GRAIN = 4096


@dataclass(frozen=True, slots=True)
class Board:
    """
    One firmware and its machine: `memory` in MiB, `boot` in seconds that it may take to start the agent.

    With a variable store the image is flash; without one it is QEMU's `-bios`.
    """

    name: str
    image: Path
    vars: Path | None = None
    disk: str = "virtio-blk"
    qemu: str = "qemu-system-x86_64"
    memory: int = 128
    boot: float = 90
    package: str = ""


BOARDS = {
    "ovmf": Board(
        "ovmf", Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"), package="ovmf"
    ),
    "u-boot": Board(
        "u-boot", Path("/usr/lib/u-boot/qemu-x86_64/u-boot.rom"), disk="ide-hd", memory=256, package="u-boot-qemu"
    ),
}


def is_board(name: str) -> bool:
    """Tell whether a target's name is a board's."""
    return name.partition(",")[0] in BOARDS or name.startswith("firmware:")


def board(name: str) -> Board:
    """
    Return the board of a target's name, with all that it needs in place.

    Raises:
        UsageError: an option is unknown, or a file or tool is missing.

    """
    first, *options = name.split(",")
    kind, _, path = first.partition(":")
    chosen = Board(name, Path(path)) if kind == "firmware" else replace(BOARDS[first], name=name)
    for option in options:
        key, sign, value = option.partition("=")
        if key not in _OPTIONS or not sign or not value:
            hint = near(key, _OPTIONS) or f"there are {', '.join(f'{known}=' for known in _OPTIONS)}"
            raise UsageError(f"expected an option of the board {first}, not {option!r}", hint=hint)
        chosen = _with(chosen, key, value)
    return _checked(chosen)


def _with(chosen: Board, key: str, value: str) -> Board:
    if key == "disk":
        if value not in DISKS:
            raise UsageError(f"expected disk= to be {' or '.join(DISKS)}, not {value!r}")
        return replace(chosen, disk=value)
    if key == "image":
        return replace(chosen, image=Path(value), package="")
    return replace(chosen, vars=Path(value)) if key == "vars" else replace(chosen, qemu=value)


def _checked(chosen: Board) -> Board:
    for file in (chosen.image, chosen.vars):
        if file is not None:
            file_of(file, chosen.package)
            if not file.stat().st_size or file.stat().st_size % _FLASH_GRAIN:
                raise UsageError(f"expected {file} to be a firmware image: whole blocks of {_FLASH_GRAIN} bytes")
            if set(str(file)) & set(",\n"):
                raise UsageError(f"expected a path without comma, not {file}")
    return replace(chosen, qemu=tool(chosen.qemu), image=chosen.image.absolute())
