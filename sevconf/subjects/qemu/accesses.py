"""
What QEMU tells of DMA, read out of its log in step with the acts that cause it.

It tells where each access begins, and one that crosses pages once a page; how far one reaches it does not tell. Of a
request that takes time, such as a disk's, it tells when the device takes it: the bytes may move later, to the memory
that was there then. An access to the addresses of message-signalled interrupts is no DMA. Of a flood, as a controller
makes that runs through memory which is no schedule any more, only the beginning is told.

QEMU's VT-d tells of an access by the page entry that it found. Where that allows one direction, it went that way or was
dropped: QEMU records no fault where it kept an entry that forbids, as hardware would, but says that an access is
invalid. Where an entry allows both, the direction is not told. Of a device that passes untranslated nothing is.

Spec: QEMU 7.2 `hw/virtio/trace-events` (virtio_iommu_translate), `hw/i386/trace-events` (vtd_iotlb_page_hit,
vtd_iotlb_page_update, vtd_dmar_fault); `hw/i386/intel_iommu.c`, vtd_do_iommu_translate; `softmmu/memory.c`,
memory_region_access_valid.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sevconf.subjects.qemu.process import Memory
from sevconf.vocabulary import FaultReason

#: Addresses of message-signalled interrupts (Intel SDM, volume 3, 11.11.1).
_INTERRUPTS = range(0xFEE0_0000, 0xFEF0_0000)
#: Bytes taken from the log at once.
_GULP = 1 << 16
#: Bytes of the log that are looked at between two acts: tens of thousands of accesses.
_FLOOD = 2 << 20


class Watcher(Enum):
    """The IOMMU that devices sit behind, and what it is there for."""

    #: Nobody's: it lets all pass and tells the direction too.
    OBSERVER = "observer"
    #: The guest's VT-d unit, which software programs; it tells no direction of what it lets pass.
    VTD = "vtd"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What QEMU must be told to log DMA."""
        if self is Watcher.OBSERVER:
            return ("-trace", "virtio_iommu_translate", "-trace", "virtio_iommu_translate_out")
        return ("-trace", "vtd_iotlb_page_*", "-trace", "vtd_dmar_fault", "-d", "guest_errors")


@dataclass(frozen=True, slots=True)
class Access:
    """
    One access of a bus master, as seen: `source` is its id, `address` where it begins, on the device's side.

    `write` is None where the direction is not told. `reason` is the code of VT-d's fault record, or what it would be if
    QEMU kept no entries; `passed` is False for what an IOMMU refused, and for what is no RAM to the observer.
    """

    source: int
    address: int
    write: bool | None
    passed: bool
    reason: int | None = None


_HEX = r"0x([0-9a-f]+)"
_TRANSLATE = re.compile(rf"virtio_iommu_translate mr=\S+ rid=(\d+) addr={_HEX} flag=(\d+)")
_TRANSLATED = re.compile(rf"virtio_iommu_translate_out {_HEX} -> {_HEX} ")
_ENTRY = re.compile(rf"vtd_iotlb_page_\w+ .* sid {_HEX} iova {_HEX} slpte {_HEX} ")
_INVALID = re.compile(rf"Invalid (read|write) at addr {_HEX}, ")
_FAULT = re.compile(rf"vtd_dmar_fault sid {_HEX} fault (\d+) addr {_HEX} write (\d)")
_WRITE_ONLY = 2
#: The direction that the rights of a page entry leave.
_DIRECTION = {1: False, 2: True}
#: Codes of the faults that QEMU does not record for entries that it kept.
_REASONS = {True: FaultReason.NO_WRITE_ACCESS.value, False: FaultReason.NO_READ_ACCESS.value}


class DmaLog:
    """The log, read as it grows; once `fence` has returned, no access that began before is half told."""

    def __init__(self, log: Memory, fence: Callable[[], None]) -> None:
        self._log = log
        self._fence = fence
        self._read = 0
        self._pending = b""
        #: The access of which the next line may tell more.
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
        end = self._log.size
        flood = end - self._read > _FLOOD
        last = self._read + _FLOOD if flood else end
        while piece := self._log.read(self._read, min(_GULP, last - self._read)):
            self._read += len(piece)
            self._pending += piece
        if flood:
            self._read, self._pending = end, self._pending[: self._pending.rfind(b"\n") + 1]
        lines, _, self._pending = self._pending.rpartition(b"\n")
        return [access for line in lines.decode(errors="replace").splitlines() for access in self._parse(line)]

    def _parse(self, line: str) -> Iterator[Access]:
        if match := _TRANSLATE.search(line):
            source, address, flag = int(match[1]), int(match[2], 16), int(match[3])
            yield from self._settle(Access(source, address, flag == _WRITE_ONLY, passed=False))
        elif (match := _TRANSLATED.search(line)) and self._open is not None:
            yield replace(self._open, passed=True)
            self._open = None
        elif match := _ENTRY.search(line):
            source, address, rights = int(match[1], 16), int(match[2], 16), int(match[3], 16) & 3
            yield from self._settle(Access(source, address, _DIRECTION.get(rights), passed=True))
        elif (match := _INVALID.search(line)) and self._open is not None and self._open.address == int(match[2], 16):
            write = match[1] == "write"
            yield replace(self._open, write=write, passed=False, reason=_REASONS[write])
            self._open = None
        elif match := _FAULT.search(line):
            yield from self._settle(None)
            yield Access(int(match[1], 16), int(match[3], 16), match[4] == "1", passed=False, reason=int(match[2]))

    def _settle(self, opened: Access | None) -> Iterator[Access]:
        """Yield the open access as it is known, and open another."""
        if self._open is not None:
            yield self._open
        self._open = opened
