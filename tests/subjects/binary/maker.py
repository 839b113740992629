"""PE images and option ROMs made by hand, right ones and damaged ones, for the tests of loaders."""

import struct
from dataclasses import dataclass

from uefi_firmware import efi_compressor

X86_64, AARCH64 = 0x8664, 0xAA64
CODE, DATA = 0x6000_0020, 0xC000_0040
PAGE = 0x1000


@dataclass(frozen=True)
class Part:
    """A section: name, offset in memory, content, flags."""

    name: bytes
    start: int
    content: bytes
    flags: int
    size: int | None = None


#: `mov eax, 0; ret`, and its address as data, which is relocated.
TEXT = Part(b".text", PAGE, b"\xb8\0\0\0\0\xc3", CODE)
BASE = 0x40_0000
POINTER = Part(b".data", 2 * PAGE, struct.pack("<Q", BASE + PAGE), DATA)


def relocations(*entries: int, page: int = 2 * PAGE) -> bytes:
    """Return one block of relocations."""
    return struct.pack("<II", page, 8 + 2 * len(entries)) + b"".join(struct.pack("<H", entry) for entry in entries)


def pe(
    *parts: Part,
    machine: int = X86_64,
    subsystem: int = 11,
    size: int = 4 * PAGE,
    entry: int = PAGE,
    reloc: bytes = relocations(0xA000),
    magic: int = 0x20B,
    alignment: int = PAGE,
    imports: int = 0,
) -> bytes:
    """Return a PE32+ image of these sections (a .text and a .data if none are given), and of one of relocations."""
    sections = [*(parts or (TEXT, POINTER)), Part(b".reloc", 3 * PAGE, reloc, 0x4200_0040)]
    directories = [(0, 0)] * 16
    directories[1] = (PAGE, imports)
    directories[5] = (3 * PAGE, len(reloc))
    optional = struct.pack("<HBBIIIII", magic, 1, 0, PAGE, PAGE, 0, entry, PAGE)
    optional += struct.pack("<QII6HIIII", BASE, alignment, 0x200, 0, 0, 0, 0, 0, 0, 0, size, 0x400, 0)
    optional += struct.pack("<HHQQQQII", subsystem, 0, 0, 0, 0, 0, 0, 16)
    optional += b"".join(struct.pack("<II", *directory) for directory in directories)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", machine, len(sections), 0, 0, 0, len(optional), 0x22) + optional
    body, at = b"", 0x400
    for part in sections:
        raw = part.content.ljust(-(-len(part.content) // 0x200) * 0x200, b"\0")
        length = len(part.content) if part.size is None else part.size
        head += struct.pack("<8sIIIIIIHHI", part.name, length, part.start, len(raw), at, 0, 0, 0, 0, part.flags)
        body, at = body + raw, at + len(raw)
    return head.ljust(0x400, b"\0") + body


def rom(*drivers: bytes, compressed: bool = False, last: bool = True, device: int = 0x1000) -> bytes:
    """Return an option ROM of these drivers, for devices 1af4:1000 and up."""
    images = b""
    for number, driver in enumerate(drivers):
        content = efi_compressor.EfiCompress(driver, len(driver)) if compressed else driver
        units = -(-(0x38 + len(content)) // 512)
        end = 0x80 if last and number == len(drivers) - 1 else 0
        header = struct.pack("<2sHIHHH8xHH", b"\x55\xaa", units, 0x0EF1, 11, X86_64, int(compressed), 0x38, 0x1C)
        data = struct.pack(
            "<4sHHHHB3sHHBBH", b"PCIR", 0x1AF4, device + number, 0, 24, 0, b"\0\0\2", units, 0, 3, end, 0
        )
        images += (header.ljust(0x1C, b"\0") + data).ljust(0x38, b"\0") + content
        images = images.ljust(-(-len(images) // 512) * 512, b"\0")
    return images
