"""
What QEMU tells of DMA, read out of its log in step with the acts that cause it.

It tells where each access begins, and one that crosses pages once a page; how far one reaches it does not tell. Of a
request that takes time, such as a disk's, it tells when the device takes it: the bytes may move later, to the memory
that was there then. An access to the addresses of message-signalled interrupts is no DMA.

Spec: QEMU 7.2 `hw/virtio/trace-events` (virtio_iommu_translate), `hw/i386/trace-events` (vtd_dmar_translate,
vtd_dmar_fault, vtd_iotlb_page_update); `hw/i386/intel_iommu.c`, vtd_do_iommu_translate.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sevconf.subjects.qemu.process import Memory

#: Addresses of message-signalled interrupts (Intel SDM, volume 3, 11.11.1).
_INTERRUPTS = range(0xFEE0_0000, 0xFEF0_0000)
#: Bytes taken from the log at once.
_GULP = 1 << 16


class Watcher(Enum):
    """The IOMMU that devices sit behind, and what it is there for."""

    #: Nobody's: it lets all pass and tells the direction too.
    OBSERVER = "observer"
    #: The guest's VT-d unit, which software programs; it tells no direction of what it lets pass.
    VTD = "vtd"

    @property
    def events(self) -> tuple[str, ...]:
        """The trace events that tell of DMA."""
        if self is Watcher.OBSERVER:
            return ("virtio_iommu_translate", "virtio_iommu_translate_out")
        return ("vtd_dmar_translate", "vtd_dmar_fault")


@dataclass(frozen=True, slots=True)
class Access:
    """
    One access of a bus master, as seen: `source` is its id, `address` where it begins, on the device's side.

    `write` is None where the direction is not told. `reason` is the code of VT-d's fault record; `passed` is False for
    what an IOMMU refused, and for what is no RAM.
    """

    source: int
    address: int
    write: bool | None
    passed: bool
    reason: int | None = None


_HEX = r"0x([0-9a-f]+)"
_TRANSLATE = re.compile(rf"virtio_iommu_translate mr=\S+ rid=(\d+) addr={_HEX} flag=(\d+)")
_TRANSLATED = re.compile(rf"virtio_iommu_translate_out {_HEX} -> {_HEX} ")
_PASSED = re.compile(rf"vtd_dmar_translate dev ([0-9a-f]+):([0-9a-f]+)\.([0-9a-f]+) iova {_HEX} ")
_FAULT = re.compile(rf"vtd_dmar_fault sid {_HEX} fault (\d+) addr {_HEX} write (\d)")
_WRITE_ONLY = 2


class DmaLog:
    """The log, read as it grows; once `fence` has returned, no access that began before is half told."""

    def __init__(self, log: Memory, fence: Callable[[], None]) -> None:
        self._log = log
        self._fence = fence
        self._read = 0
        self._pending = b""
        #: The access whose translation is not told yet.
        self._open: Access | None = None

    def new(self) -> list[Access]:
        """Return what happened since the last call, in order."""
        found = self._take()
        unsettled = self._open
        if unsettled is not None or self._pending:
            self._fence()
            found += self._take()
            if self._open is unsettled:
                found += self._settle(None)
        return [access for access in found if access.address not in _INTERRUPTS]

    def _take(self) -> list[Access]:
        while piece := self._log.read(self._read, _GULP):
            self._read += len(piece)
            self._pending += piece
        lines, _, self._pending = self._pending.rpartition(b"\n")
        return [access for line in lines.decode(errors="replace").splitlines() for access in self._parse(line)]

    def _parse(self, line: str) -> Iterator[Access]:
        if match := _TRANSLATE.search(line):
            source, address, flag = int(match[1]), int(match[2], 16), int(match[3])
            yield from self._settle(Access(source, address, flag == _WRITE_ONLY, passed=False))
        elif (match := _TRANSLATED.search(line)) and self._open is not None:
            yield replace(self._open, passed=True)
            self._open = None
        elif match := _PASSED.search(line):
            source = int(match[1], 16) << 8 | int(match[2], 16) << 3 | int(match[3], 16)
            yield Access(source, int(match[4], 16), None, passed=True)
        elif match := _FAULT.search(line):
            yield Access(int(match[1], 16), int(match[3], 16), match[4] == "1", passed=False, reason=int(match[2]))

    def _settle(self, opened: Access | None) -> Iterator[Access]:
        """Yield the open access, which nothing let through, and open another."""
        if self._open is not None:
            yield self._open
        self._open = opened
