"""
The root bridge: the way from PciIo to functions by their addresses, and to the IOMMU driver for DMA.

It numbers its functions (bus 0, one device each) and gives each a window in memory and in I/O space. A function whose
command register has a space switched off does not answer there: reads give ones, writes are lost. Of the three
operations of PciIo it has six: each also for a bus master of 64 bits. What it is asked for by PciIo it hands on to the
IOMMU protocol, which has the same six.

Spec: UEFI 2.10, 14.2 EFI_PCI_ROOT_BRIDGE_IO_PROTOCOL; EDK II `MdeModulePkg/Bus/Pci/PciHostBridgeDxe/PciRootBridgeIo.c`
(of a root bridge with DmaAbove4G).
Left out: bridges behind it, CopyMem, PollMem and PollIo, Attributes of the bridge, Flush.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.iommu.base import Iommu, MappingLedger
from sevconf.model.recorder import Recorder
from sevconf.vocabulary import Command, DmaOperation, EfiStatus, Gva, MemoryType, PciAttribute

#: Where the functions' windows begin in memory (between main and far memory) and in I/O space, and their sizes.
MEMORY_BASE, MEMORY_WINDOW = 0xC000_0000, 0x10_0000
IO_BASE, IO_WINDOW = 0x6000, 0x100


#: Arguments of a service, for the trace.
Words: TypeAlias = dict[str, int | str]


class Function(Protocol):
    """A PCI function, as the root bridge reaches it; registers by offset and width in bytes, None is none there."""

    command: Command
    bars: tuple[int, int]

    @property
    def actor(self) -> str:
        """The device."""
        ...

    @property
    def attributes(self) -> PciAttribute:
        """What Attributes(Supported) tells of it."""
        ...

    def config_read(self, offset: int, width: int) -> int | None:
        """Read configuration space."""
        ...

    def config_write(self, offset: int, width: int, value: int) -> bool:
        """Write configuration space; False is no such register."""
        ...

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register behind a BAR."""
        ...

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register behind a BAR; False is no such register."""
        ...


def source_id(place: int) -> int:
    """Return bus, device and function number, packed, of the function in that place (from 0)."""
    return place + 1 << 3


class RootBridge:
    """The protocol instance, over an IOMMU driver (or what stands in for it) and the functions of bus 0."""

    actor = "pci:root-bridge"

    def __init__(self, recorder: Recorder, iommu: Iommu, ledger: MappingLedger, functions: Sequence[Function]) -> None:
        self._recorder = recorder
        self.iommu = iommu
        self.ledger = ledger
        self._functions = {source_id(place): function for place, function in enumerate(functions)}
        for place, function in enumerate(functions):
            function.bars = MEMORY_BASE + place * MEMORY_WINDOW, IO_BASE + place * IO_WINDOW

    def address_of(self, device: str) -> int:
        """Return the configuration address (EFI_PCI_ADDRESS) of a device's register 0."""
        source = next(source for source, function in self._functions.items() if function.actor == device)
        return source >> 3 << 16

    # Mem, Io and Pci

    def mem_read(self, address: int, width: int) -> tuple[EfiStatus, int]:
        """Mem.Read."""
        return self._read(*self._behind(address, Command.MEMORY_SPACE, MEMORY_WINDOW), width)

    def mem_write(self, address: int, width: int, value: int) -> EfiStatus:
        """Mem.Write."""
        return self._write(*self._behind(address, Command.MEMORY_SPACE, MEMORY_WINDOW), width, value)

    def io_read(self, address: int, width: int) -> tuple[EfiStatus, int]:
        """Io.Read."""
        return self._read(*self._behind(address, Command.IO_SPACE, IO_WINDOW), width)

    def io_write(self, address: int, width: int, value: int) -> EfiStatus:
        """Io.Write."""
        return self._write(*self._behind(address, Command.IO_SPACE, IO_WINDOW), width, value)

    def pci_read(self, address: int, width: int) -> tuple[EfiStatus, int]:
        """Pci.Read; where no function is, it reads as ones."""
        function = self._functions.get(address >> 16 << 3)
        return _answer(_ones(width) if function is None else function.config_read(address & 0xFF, width))

    def pci_write(self, address: int, width: int, value: int) -> EfiStatus:
        """Pci.Write."""
        function = self._functions.get(address >> 16 << 3)
        known = function is None or function.config_write(address & 0xFF, width, value)
        return EfiStatus.SUCCESS if known else EfiStatus.INVALID_PARAMETER

    def _behind(self, address: int, space: Command, window: int) -> tuple[Function | None, int]:
        """Find the function that answers at an address, and the offset in its window."""
        bar = 0 if space is Command.MEMORY_SPACE else 1
        for function in self._functions.values():
            if 0 <= address - function.bars[bar] < window:
                return function if function.command & space else None, address - function.bars[bar]
        return None, 0

    @staticmethod
    def _read(function: Function | None, offset: int, width: int) -> tuple[EfiStatus, int]:
        return _answer(_ones(width) if function is None else function.register_read(offset, width))

    @staticmethod
    def _write(function: Function | None, offset: int, width: int, value: int) -> EfiStatus:
        known = function is None or function.register_write(offset, width, value)
        return EfiStatus.SUCCESS if known else EfiStatus.INVALID_PARAMETER

    # DMA

    def allocate_buffer(self, memory_type: MemoryType, pages: int, attributes: PciAttribute) -> tuple[EfiStatus, Gva]:
        """AllocateBuffer: below 4 GiB, unless `attributes` has DUAL_ADDRESS_CYCLE."""
        words: Words = {"memory_type": memory_type.name, "pages": pages, "attributes": attributes.words}
        with self._recorder.service("RootBridgeIo.AllocateBuffer", self.actor, **words) as outer:
            below: Words = {"pages": pages, "attributes": attributes.words}
            with self._recorder.service("IoMmu.AllocateBuffer", self.iommu.actor, **below) as inner:
                wide = bool(attributes & PciAttribute.DUAL_ADDRESS_CYCLE)
                status, host = self.iommu.allocate_buffer(memory_type, pages, wide=wide)
                inner.returns(status, host=host)
            outer.returns(status, host=host)
        return status, host

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """FreeBuffer."""
        return self._handed_on(
            "FreeBuffer", lambda: self.iommu.free_buffer(pages, host_address), pages=pages, host=host_address
        )

    def map(self, operation: DmaOperation, host_address: Gva, length: int, *, wide: bool) -> Mapped:
        """Map: one of six operations, three for bus masters of 64 bits (`wide`)."""
        words: Words = {"operation": operation.at_iommu(wide=wide), "host": host_address, "length": length}
        with self._recorder.service("RootBridgeIo.Map", self.actor, **words) as outer:
            mapped = self.map_below(operation, host_address, length, wide=wide)
            outer.returns(mapped.status, device=mapped.device_address, length=mapped.length)
        return mapped

    def map_below(self, operation: DmaOperation, host_address: Gva, length: int, *, wide: bool) -> Mapped:
        """Call the IOMMU protocol's Map, and note the mapping for whoever asked."""
        words: Words = {"operation": operation.at_iommu(wide=wide), "host": host_address, "length": length}
        with self._recorder.service("IoMmu.Map", self.iommu.actor, **words) as call:
            mapped = self.iommu.map(operation, host_address, length, wide=wide)
            call.returns(mapped.status, device=mapped.device_address, length=mapped.length)
            if not mapped.status.is_error:
                self.ledger.made(mapped, operation, host_address)
        return mapped

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap."""
        return self._handed_on("Unmap", lambda: self.iommu.unmap(mapping), mapping=self.ledger.name(mapping))

    def _handed_on(self, service: str, act: Callable[[], EfiStatus], **arguments: int | str) -> EfiStatus:
        with (
            self._recorder.service(f"RootBridgeIo.{service}", self.actor, **arguments) as outer,
            self._recorder.service(f"IoMmu.{service}", self.iommu.actor, **arguments) as inner,
        ):
            return outer.returns(inner.returns(act()))


def _ones(width: int) -> int:
    return (1 << 8 * width) - 1


def _answer(value: int | None) -> tuple[EfiStatus, int]:
    return (EfiStatus.INVALID_PARAMETER, 0) if value is None else (EfiStatus.SUCCESS, value)
