"""
The observer's hardware: QEMU's virtio-iommu, told to let every device reach all RAM, one to one.

It changes nothing for the devices, and QEMU tells every access that passes through it with its direction, which its
other IOMMUs do not. Its request queue lies in the apron: memory of its own above 4 GiB, which no device reaches.

Spec: Virtual I/O Device (VIRTIO) 1.2, 2.7 (split virtqueues), 3.1.1 (initialization), 4.1.4 (PCI structures), 5.13
(IOMMU device).
"""

import mmap
import struct
import time
from dataclasses import dataclass

from sevconf.errors import CannotStart
from sevconf.subjects.qemu.pci import BUS_MASTER, COMMAND, Bar, Pci
from sevconf.subjects.qemu.process import NAME, PATIENCE, Memory
from sevconf.subjects.qemu.qtest import QTest
from sevconf.vocabulary import PAGE_SIZE

#: Its ids on the bus.
IDS = (0x1AF4, 0x1057)
#: Where the apron lies, and its size in bytes.
_BASE, APRON = 1 << 32, 4 * PAGE_SIZE

_VENDOR_CAPABILITY = 0x09
_COMMON, _NOTIFY = 1, 2
# Offsets in the common configuration structure.
_FEATURE_SELECT, _FEATURES, _STATUS, _QUEUE_SELECT, _QUEUE_SIZE, _QUEUE_ENABLE = 0x08, 0x0C, 0x14, 0x16, 0x18, 0x1C
_QUEUE_NOTIFY_OFFSET, _QUEUE_DESCRIPTORS, _QUEUE_AVAILABLE, _QUEUE_USED = 0x1E, 0x20, 0x28, 0x30
_ACKNOWLEDGE, _DRIVER, _DRIVER_OK, _FEATURES_OK = 1, 2, 4, 8
_MAP_UNMAP, _VERSION_1 = 1 << 2, 1 << 32
_ENTRIES = 8
_NEXT, _WRITE = 1, 2
_ATTACH, _MAP = 1, 3
_DOMAIN, _READ_WRITE = 1, 3
_TAIL = 4


@dataclass(frozen=True, slots=True)
class _Structure:
    """Where a structure of the device lies: its address, and for notifications what an offset is multiplied with."""

    address: int
    multiplier: int


def arguments(apron: Memory) -> tuple[str, ...]:
    """Return the arguments for QEMU; `apron` has APRON bytes."""
    return (
        *("-object", f"memory-backend-file,id=apron,size={APRON},mem-path={apron.path},share=on"),
        *("-device", f"pc-dimm,memdev=apron,addr={_BASE:#x}"),
        *("-device", "virtio-iommu-pci,addr=1,boot-bypass=off"),
    )


class Observer:
    """The device, set up."""

    def __init__(self, qtest: QTest, pci: Pci, devfn: int, bars: tuple[Bar, ...], apron: Memory) -> None:
        self._qtest = qtest
        self._apron = mmap.mmap(apron.descriptor, APRON)
        self._sent = 0
        structures = dict(_structures(pci, devfn, bars))
        self._common = structures[_COMMON].address
        self._start(structures[_NOTIFY])
        pci.write(devfn, COMMAND, 2, pci.read(devfn, COMMAND, 2) | BUS_MASTER)

    def let_through(self, source: int) -> None:
        """Attach a bus master to the domain that has all RAM."""
        self._request(struct.pack("<B3xIII4x", _ATTACH, _DOMAIN, source, 0))

    def open(self, ram_size: int) -> None:
        """Map all RAM, one to one, for the domain: after the first bus master was attached."""
        self._request(struct.pack("<B3xIQQQI", _MAP, _DOMAIN, 0, ram_size - 1, 0, _READ_WRITE))

    def _start(self, notify: _Structure) -> None:
        self._set(_STATUS, 1, 0)
        self._set(_STATUS, 1, _ACKNOWLEDGE | _DRIVER)
        for select in (0, 1):
            self._set(_FEATURE_SELECT, 4, select)
            self._set(_FEATURES, 4, (_VERSION_1 | _MAP_UNMAP) >> 32 * select & 0xFFFF_FFFF)
        self._set(_STATUS, 1, _ACKNOWLEDGE | _DRIVER | _FEATURES_OK)
        self._set(_QUEUE_SELECT, 2, 0)
        self._set(_QUEUE_SIZE, 2, _ENTRIES)
        for register, page in ((_QUEUE_DESCRIPTORS, 0), (_QUEUE_AVAILABLE, 1), (_QUEUE_USED, 2)):
            self._set(register, 4, page * PAGE_SIZE)
            self._set(register + 4, 4, _BASE >> 32)
        self._set(_QUEUE_ENABLE, 2, 1)
        offset = self._qtest.read(self._common + _QUEUE_NOTIFY_OFFSET, 2)
        self._doorbell = notify.address + offset * notify.multiplier
        self._set(_STATUS, 1, _ACKNOWLEDGE | _DRIVER | _FEATURES_OK | _DRIVER_OK)

    def _set(self, register: int, width: int, value: int) -> None:
        self._qtest.write(self._common + register, width, value)

    def _request(self, request: bytes) -> None:
        """
        Send a request and wait for it.

        Raises:
            CannotStart: the device refuses it, or does not answer.

        """
        at = 3 * PAGE_SIZE
        tail = at + len(request)
        self._apron[at : tail + _TAIL] = request + b"\xff" * _TAIL
        descriptors = (_BASE + at, len(request), _NEXT, 1, _BASE + tail, _TAIL, _WRITE, 0)
        struct.pack_into("<QIHHQIHH", self._apron, 0, *descriptors)
        struct.pack_into("<H", self._apron, PAGE_SIZE + 4 + 2 * (self._sent % _ENTRIES), 0)
        self._sent += 1
        struct.pack_into("<H", self._apron, PAGE_SIZE + 2, self._sent)
        self._qtest.write(self._doorbell, 2, 0)
        deadline = time.monotonic() + PATIENCE
        while struct.unpack_from("<H", self._apron, 2 * PAGE_SIZE + 2)[0] != self._sent:
            if time.monotonic() > deadline:
                raise CannotStart(NAME, "the IOMMU that observes DMA does not answer")
            time.sleep(0.0001)
        if self._apron[tail]:
            raise CannotStart(NAME, f"the IOMMU that observes DMA refuses a request: status {self._apron[tail]}")


def _structures(pci: Pci, devfn: int, bars: tuple[Bar, ...]) -> list[tuple[int, _Structure]]:
    found = []
    for identifier, at in pci.capabilities(devfn):
        if identifier == _VENDOR_CAPABILITY:
            kind, bar = pci.read(devfn, at + 3, 1), pci.read(devfn, at + 4, 1)
            if kind in {_COMMON, _NOTIFY}:
                address = bars[bar].address + pci.read(devfn, at + 8, 4)
                found.append((kind, _Structure(address, pci.read(devfn, at + 16, 4))))
    return found
