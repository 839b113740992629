"""
Memory as the firmware beneath a binary uses it: values at addresses, an arena of its own, no records in the trace.

What the marshalling layer reads and writes on a binary's behalf goes through the same MMU as the binary's own accesses.
"""

import uuid

from sevconf.model.mmu import Mmu
from sevconf.vocabulary import Gva

_ALIGNMENT = 16
#: Characters of the longest text that anybody passes by pointer.
_LONGEST = 1024


class BadPointerError(Exception):
    """Somebody passed a pointer to memory that there is not."""


class Memory:
    """Values in guest memory; `arena` is where the firmware keeps its own, from the first address to the last."""

    def __init__(self, mmu: Mmu, arena: range) -> None:
        self._mmu = mmu
        self._next = arena.start
        self._end = arena.stop

    def allocate(self, size: int, alignment: int = _ALIGNMENT) -> int:
        """
        Return room in the arena.

        Raises:
            MemoryError: there is none left.

        """
        start = -(-self._next // alignment) * alignment
        self._next = start + size
        if self._next > self._end:
            raise MemoryError("the firmware's arena is used up")
        return start

    def read(self, address: int, length: int) -> bytes:
        """Read bytes."""
        data = self._mmu.read(Gva(address), length)
        if data is None:
            raise BadPointerError(f"{address:#x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        if not self._mmu.write(Gva(address), data):
            raise BadPointerError(f"{address:#x}")

    def number(self, address: int, size: int = 8) -> int:
        """Read a number."""
        return int.from_bytes(self.read(address, size), "little")

    def put(self, address: int, value: int, size: int = 8) -> None:
        """Write a number, cut to its size."""
        self.write(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def guid(self, address: int) -> str:
        """Read a GUID."""
        return str(uuid.UUID(bytes_le=self.read(address, 16)))

    def put_guid(self, address: int, guid: str) -> None:
        """Write a GUID."""
        self.write(address, uuid.UUID(guid).bytes_le)

    def text(self, address: int) -> str:
        """Read UTF-16 up to its zero."""
        found = bytearray()
        while len(found) < 2 * _LONGEST and (unit := self.read(address + len(found), 2)) != b"\0\0":
            found += unit
        return found.decode("utf-16-le", "replace")
