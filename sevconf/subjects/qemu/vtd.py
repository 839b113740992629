"""
The registers of QEMU's VT-d unit, as a driver of it programs them.

Spec: Intel Virtualization Technology for Directed I/O, 10.4 (registers), 6.5 (invalidation by registers); QEMU 7.2
`hw/i386/intel_iommu_internal.h` for where the registers of faults and of IOTLB invalidation lie.
"""

import time
from dataclasses import dataclass

from sevconf.errors import TimedOut
from sevconf.subjects.qemu.bench import VTD_REGISTERS, Bench
from sevconf.subjects.qemu.process import NAME, PATIENCE

_COMMAND, _STATUS, _ROOT, _CONTEXT_COMMAND, _FAULT_STATUS = 0x18, 0x1C, 0x20, 0x28, 0x34
_IOTLB, _FAULT_RECORD = 0xF8, 0x220
_TRANSLATE, _SET_ROOT = 1 << 31, 1 << 30
_INVALIDATE_CONTEXTS = 1 << 63 | 1 << 61
_INVALIDATE_IOTLB = 1 << 63 | 1 << 60
_BUSY = 1 << 63
_RECORDED, _OVERFLOW, _READ = 1 << 63, 1, 1 << 62
_PAGE = ~0xFFF


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fault record as the unit shows it: source id, page, direction, code."""

    source: int
    page: int
    write: bool
    reason: int


class VtdRegisters:
    """The unit of a bench whose watcher is VT-d."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def load_root(self, root: int) -> None:
        """Use the tables at `root` from now on, and nothing that was kept of others."""
        self._bench.write(VTD_REGISTERS + _ROOT, 8, root)
        translating = self._bench.read(VTD_REGISTERS + _STATUS, 4) & _TRANSLATE
        self._bench.write(VTD_REGISTERS + _COMMAND, 4, translating | _SET_ROOT)
        self._wait(_STATUS, 4, _SET_ROOT, _SET_ROOT)
        self.invalidate()

    def enable(self) -> None:
        """Begin to translate."""
        self._bench.write(VTD_REGISTERS + _COMMAND, 4, _TRANSLATE)
        self._wait(_STATUS, 4, _TRANSLATE, _TRANSLATE)

    def disable(self) -> None:
        """Let every access pass."""
        self._bench.write(VTD_REGISTERS + _COMMAND, 4, 0)
        self._wait(_STATUS, 4, _TRANSLATE, 0)

    def invalidate(self) -> None:
        """Forget every context entry and translation that is kept."""
        for register, command in ((_CONTEXT_COMMAND, _INVALIDATE_CONTEXTS), (_IOTLB, _INVALIDATE_IOTLB)):
            self._bench.write(VTD_REGISTERS + register, 8, command)
            self._wait(register, 8, _BUSY, 0)

    def take_fault(self) -> Recorded | None:
        """Return the fault that is recorded, and make room for the next; faults meanwhile were lost."""
        high = self._bench.read(VTD_REGISTERS + _FAULT_RECORD + 8, 8)
        if not high & _RECORDED:
            return None
        low = self._bench.read(VTD_REGISTERS + _FAULT_RECORD, 8)
        self._bench.write(VTD_REGISTERS + _FAULT_RECORD + 8, 8, _RECORDED)
        self._bench.write(VTD_REGISTERS + _FAULT_STATUS, 4, _OVERFLOW)
        return Recorded(high & 0xFFFF, low & _PAGE, not high & _READ, high >> 32 & 0xFF)

    def _wait(self, register: int, width: int, mask: int, value: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._bench.read(VTD_REGISTERS + register, width) & mask != value:
            if time.monotonic() > deadline:
                raise TimedOut(NAME, "the VT-d unit does not do what it was told")
