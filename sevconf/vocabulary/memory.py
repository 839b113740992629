"""
Memory types, addresses and the C-bit.

Spec: UEFI 2.10, 7.2 "Memory Allocation Services"; Linux `Documentation/arch/x86/amd-memory-encryption.rst`.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NewType

#: A guest-virtual address, in bytes.
Gva = NewType("Gva", int)
#: A guest-physical address, in bytes; the C-bit is never part of it.
Gpa = NewType("Gpa", int)

#: Bytes of a page, for the allocator and for a 4 KiB page-table entry alike.
PAGE_SIZE = 0x1000
#: Bytes that one page-directory entry with PS=1 maps.
LARGE_PAGE = 0x20_0000
#: Bytes that one page-directory-pointer entry with PS=1 maps.
HUGE_PAGE = 0x4000_0000


def pages_for(size: int) -> int:
    """Tell how many pages hold `size` bytes."""
    return -(-size // PAGE_SIZE)


class CBit(Enum):
    """The encryption bit of the page-table entry that covers a Gva; it acts at guest accesses through that Gva."""

    SET = "set"
    CLEAR = "clear"


class AllocateType(IntEnum):
    """How AllocatePages chooses an address (UEFI 2.10, 7.2.1)."""

    ANY_PAGES = 0
    MAX_ADDRESS = 1
    ADDRESS = 2


class MemoryType(IntEnum):
    """Use of a page range (UEFI 2.10, 7.2, table "Memory Type Usage before ExitBootServices()")."""

    RESERVED = 0
    LOADER_CODE = 1
    LOADER_DATA = 2
    BOOT_SERVICES_CODE = 3
    BOOT_SERVICES_DATA = 4
    RUNTIME_SERVICES_CODE = 5
    RUNTIME_SERVICES_DATA = 6
    CONVENTIONAL = 7
    UNUSABLE = 8
    ACPI_RECLAIM = 9
    ACPI_NVS = 10
    MEMORY_MAPPED_IO = 11
    MEMORY_MAPPED_IO_PORT_SPACE = 12
    PAL_CODE = 13
    PERSISTENT = 14
    UNACCEPTED = 15


@dataclass(frozen=True, slots=True)
class MemoryDescriptor:
    """One range of the memory map: `pages` pages from `start`, all of one type."""

    type: MemoryType
    start: Gpa
    pages: int

    @property
    def end(self) -> int:
        """First byte behind the range."""
        return self.start + self.pages * PAGE_SIZE
