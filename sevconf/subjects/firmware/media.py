"""
Boot disks with the agent on them, by mtools: a FAT file system alone, or as the one partition behind an MBR.

Which of the two a firmware finds is the board's matter. Images are made once per agent and kept in the cache.
"""

import hashlib
import os
import struct
import subprocess
import tempfile
from enum import Enum
from pathlib import Path

from sevconf.errors import CannotStart
from sevconf.subjects.firmware.build import cache
from sevconf.subjects.firmware.packages import tool

_SECTOR = 512
#: Where the partition begins, and how large the file system is, in bytes: the smallest that mformat makes FAT16 of.
_START = 1 << 20
_SIZE = 8 << 20
#: One entry of a partition table: active, CHS (unused), type, CHS, first sector, sectors.
_ENTRY = struct.Struct("<B3sB3sII")
_FAT16_LBA = 0x0E
_NO_CHS = b"\xfe\xff\xff"
#: Seconds that a tool may take.
_LIMIT = 30


class Layout(Enum):
    """How the file system lies on the disk."""

    BARE = "bare"
    PARTITION = "partition"


def disk(agent: Path, layout: Layout) -> Path:
    """
    Return the image of a disk that boots the agent.

    Raises:
        UsageError: mtools are not installed.
        CannotStart: they failed.

    """
    digest = hashlib.sha256(agent.read_bytes()).hexdigest()[:32]
    image = cache() / f"disk-{layout.value}-{digest}.img"
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=image.parent, prefix="disk-") as place:
            made = Path(place) / "disk.img"
            _make(made, agent, _START if layout is Layout.PARTITION else 0)
            made.replace(image)
    return image


def _make(image: Path, agent: Path, start: int) -> None:
    with image.open("wb") as file:
        if start:
            file.write(_partition_table(start))
        file.truncate(start + _SIZE)
    where = f"{image}@@{start}"
    _mtool(
        "mformat", "-i", where, "-T", str(_SIZE // _SECTOR), "-h", "16", "-s", "63", "-H", str(start // _SECTOR), "::"
    )
    _mtool("mmd", "-i", where, "::/EFI", "::/EFI/BOOT")
    _mtool("mcopy", "-i", where, str(agent), "::/EFI/BOOT/BOOTX64.EFI")


def _partition_table(start: int) -> bytes:
    entry = _ENTRY.pack(0x80, _NO_CHS, _FAT16_LBA, _NO_CHS, start // _SECTOR, _SIZE // _SECTOR)
    return bytes(446) + entry + bytes(3 * _ENTRY.size) + b"\x55\xaa"


def _mtool(name: str, *arguments: str) -> None:
    beside = Path(tool("mformat")).with_name(name)
    quiet = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull}
    done = subprocess.run([beside, *arguments], capture_output=True, text=True, check=False, timeout=_LIMIT, env=quiet)
    if done.returncode:
        raise CannotStart("firmware", f"{name} failed: {done.stderr.strip()}")
