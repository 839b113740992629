"""
What is known of an image: its entry in a file's list, and the image itself, laid out and ready to be loaded.

Spec: Microsoft PE Format; UEFI 2.10, 2.1.1 "UEFI Images".
"""

import struct
import uuid
from dataclasses import dataclass

from sevconf.vocabulary import PAGE_SIZE

#: Machine types of UEFI images (UEFI 2.10, 2.1.1), by what they are called here.
MACHINES = {
    0x014C: "ia32",
    0x01C2: "arm",
    0x0EBC: "ebc",
    0x5032: "riscv32",
    0x5064: "riscv64",
    0x6232: "loongarch32",
    0x6264: "loongarch64",
    0x8664: "x86-64",
    0xAA64: "aarch64",
}
#: The one that is judged.
JUDGED = "x86-64"
#: Subsystems of UEFI images (UEFI 2.10, 2.1.1).
SUBSYSTEMS = {10: "application", 11: "boot driver", 12: "runtime driver", 13: "option ROM"}


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One image of a file: its number there from 0, its name (a GUID where it has none), and what it is.

    `form` is `PE32+`, or `PE32` or `TE`, which are not judged; `size` in bytes as it lies in the file.
    """

    number: int
    name: str
    guid: str
    form: str
    machine: str
    subsystem: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of an image that have protections of their own: from `start`, `size` of them."""

    name: str
    start: int
    size: int
    writable: bool
    executable: bool

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Image:
    """
    A PE32+ image of x86-64 as it lies in memory at address `base`; offsets are from its first byte.

    `relocations` are offsets of 64-bit addresses. `alignment` is that of its sections: below a page they share pages,
    and protections cannot be kept.
    """

    name: str
    sha256: str
    base: int
    entry: int
    alignment: int
    subsystem: str
    sections: tuple[Section, ...]
    relocations: tuple[int, ...]
    memory: bytes

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.memory)

    @property
    def keeps_protections(self) -> bool:
        """Whether each section has pages of its own."""
        return self.alignment % PAGE_SIZE == 0

    def mentions(self, guid: str) -> bool:
        """Tell whether a GUID stands in it."""
        return uuid.UUID(guid).bytes_le in self.memory

    def at(self, base: int) -> bytes:
        """Return its bytes as they have to lie at that address."""
        memory = bytearray(self.memory)
        delta = base - self.base
        for offset in self.relocations:
            (address,) = struct.unpack_from("<Q", memory, offset)
            struct.pack_into("<Q", memory, offset, (address + delta) & (1 << 64) - 1)
        return bytes(memory)

    def section_of(self, offset: int) -> Section | None:
        """Return the section that has that byte."""
        return next((section for section in self.sections if section.start <= offset < section.end), None)
