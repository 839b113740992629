"""
The driver's side of the contract: what foreign code is given, and what it offers.

A vendor's class has a `role`. A driver is built with `boot_services`, `pci_io` and `memory` and offers `supported`,
`start`, `stop` and its work. An IOMMU driver is built with `boot_services`, `memory` and `mem_encrypt`, and offers
`start` and what PciIo hands to it. An OS loader is built with `boot_services`, and offers `boot`.

Services return what UEFI's return: the status first, then the outputs. Every access of the CPU to guest memory goes
through `memory`, or it does not count. Addresses that drivers see are Gva; firmware maps them one to one to Gpa.

Spec: UEFI 2.10, 7.1 to 7.3 (boot services), 14.4 (EFI_PCI_IO_PROTOCOL), 11.1 (EFI_DRIVER_BINDING_PROTOCOL), 13.9
(EFI_BLOCK_IO_PROTOCOL), 12.3 (EFI_SIMPLE_TEXT_INPUT_PROTOCOL), 24.1 (EFI_SIMPLE_NETWORK_PROTOCOL).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, NewType, Protocol, TypeAlias, runtime_checkable

from sevconf.vocabulary import (
    AllocateType,
    AttributeOperation,
    CBit,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryDescriptor,
    MemoryType,
    TimerDelay,
    Tpl,
)

#: The token of a live mapping, as Map returned it; 0 is the NULL pointer.
MappingToken = NewType("MappingToken", int)
#: An event, as CreateEvent returned it; 0 is the NULL pointer.
EventHandle = NewType("EventHandle", int)
#: A notification function; it takes no argument: whoever creates it closes over its context.
NotifyFunction: TypeAlias = Callable[[], None]

#: The roles that a vendor's class may play.
Role: TypeAlias = Literal["driver", "iommu-driver", "os-loader"]
#: The kinds of device behind drivers: those that the suite brings, and `device`, which the vendor brings.
DeviceKind: TypeAlias = Literal["block", "network", "keyboard", "device"]


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """What GetMemoryMap returned: sizes in bytes; `descriptors` is empty when the buffer was too small."""

    needed_size: int
    map_key: int
    descriptor_size: int
    descriptors: tuple[MemoryDescriptor, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What Map returned: `length` bytes are mapped, which may be fewer than asked for."""

    status: EfiStatus
    length: int
    device_address: int
    mapping: MappingToken


class BootServices(Protocol):
    """The boot services of the core (UEFI 2.10, chapter 7); each method is the service of that name."""

    def create_event(
        self, type: int, notify_tpl: Tpl, function: NotifyFunction | None = None
    ) -> tuple[EfiStatus, EventHandle]:
        """CreateEvent: make an event; `type` is a combination of the EVT_ values."""
        ...

    def create_event_ex(
        self, type: int, notify_tpl: Tpl, function: NotifyFunction | None = None, group: str | None = None
    ) -> tuple[EfiStatus, EventHandle]:
        """CreateEventEx: make an event that belongs to the group of that GUID."""
        ...

    def close_event(self, event: EventHandle) -> EfiStatus:
        """CloseEvent: the event is gone, and its notification too if it was queued."""
        ...

    def signal_event(self, event: EventHandle) -> EfiStatus:
        """SignalEvent: signal it, and with it every member of its group."""
        ...

    def check_event(self, event: EventHandle) -> EfiStatus:
        """CheckEvent: EFI_SUCCESS if it is signaled, and then it is not any more; else EFI_NOT_READY."""
        ...

    def wait_for_event(self, events: tuple[EventHandle, ...]) -> tuple[EfiStatus, int]:
        """WaitForEvent: wait until one is signaled, and return its index; only at TPL_APPLICATION."""
        ...

    def set_timer(self, event: EventHandle, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        """SetTimer: signal the event after (or every) `trigger_time` units of 100 ns, or cancel."""
        ...

    def raise_tpl(self, new_tpl: Tpl) -> Tpl:
        """RaiseTPL: run at `new_tpl` from now on; returns the level before."""
        ...

    def restore_tpl(self, old_tpl: Tpl) -> None:
        """RestoreTPL: go back to `old_tpl`; what is queued above it runs first."""
        ...

    def allocate_pages(
        self, allocate_type: AllocateType, memory_type: MemoryType, pages: int, address: int = 0
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePages: `pages` pages of that type; `address` as `allocate_type` wants it."""
        ...

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        """FreePages: give pages back."""
        ...

    def allocate_pool(self, memory_type: MemoryType, size: int) -> tuple[EfiStatus, Gva]:
        """AllocatePool: `size` bytes, aligned to 8."""
        ...

    def free_pool(self, buffer: Gva) -> EfiStatus:
        """FreePool: give a pool buffer back."""
        ...

    def get_memory_map(self, buffer_size: int) -> tuple[EfiStatus, MemoryMap]:
        """GetMemoryMap: the map and its MapKey; EFI_BUFFER_TOO_SMALL and the size needed if it does not fit."""
        ...

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """ExitBootServices: for OS loaders only."""
        ...

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall: busy-wait; devices make progress meanwhile."""
        ...

    def locate_protocol(self, guid: str) -> tuple[EfiStatus, object]:
        """LocateProtocol: the interface under that GUID, in lower case; None and EFI_NOT_FOUND if there is none."""
        ...

    def install_protocol_interface(self, guid: str, interface: object) -> EfiStatus:
        """InstallProtocolInterface, on a new handle."""
        ...

    def uninstall_protocol_interface(self, guid: str, interface: object) -> EfiStatus:
        """UninstallProtocolInterface: take back what was installed."""
        ...

    def startup_this_ap(self, processor: int, procedure: NotifyFunction) -> EfiStatus:
        """Run a procedure on application processor 1 and wait: PI's MP services, where the platform has them."""
        ...


class PciIo(Protocol):
    """
    EFI_PCI_IO_PROTOCOL of one device (UEFI 2.10, 14.4).

    A device does no DMA while BUS_MASTER is disabled. Here the platform has enabled it before drivers start; elsewhere
    it may not have, so a driver enables it. Widths are 1, 2, 4 or 8 bytes.
    """

    def mem_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Mem.Read: one register of BAR 0, `width` bytes (1, 2, 4 or 8) at `offset`."""
        ...

    def mem_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Mem.Write: one register of BAR 0."""
        ...

    def io_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Io.Read: one register of BAR 1, which has the same registers in I/O space."""
        ...

    def io_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Io.Write: one register of BAR 1."""
        ...

    def pci_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Pci.Read: one register of configuration space, `ConfigRegister`."""
        ...

    def pci_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Pci.Write: one register of configuration space; for the command register there is `attributes`."""
        ...

    def attributes(self, operation: AttributeOperation, attributes: int = 0) -> tuple[EfiStatus, int]:
        """Attributes: get, set, enable or disable `PciAttribute`s, or tell those supported; with the result, or 0."""
        ...

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """AllocateBuffer: pages fit to be mapped as a BusMasterCommonBuffer."""
        ...

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """FreeBuffer: give back what AllocateBuffer gave."""
        ...

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Map: make `length` bytes reachable for the bus master, at the DeviceAddress returned."""
        ...

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap: end a mapping; what the bus master wrote is in the caller's buffer now."""
        ...


class GuestMemory(Protocol):
    """The guest's RAM as its CPU sees it; all addresses in bytes."""

    def read(self, gva: Gva, length: int) -> bytes:
        """Load `length` bytes."""
        ...

    def write(self, gva: Gva, data: bytes) -> None:
        """Store bytes."""
        ...


class MemEncrypt(Protocol):
    """The C-bit of the firmware's page tables, for an IOMMU driver."""

    def set_cbit(self, gva: Gva, pages: int, cbit: CBit) -> None:
        """Set or clear the C-bit of the entries that cover `pages` pages from `gva`, and flush the TLB."""
        ...


@runtime_checkable
class IommuDriver(Protocol):
    """
    What an IOMMU driver offers: Map, Unmap, AllocateBuffer and FreeBuffer of the EDKII IOMMU protocol, for one bus.

    It is asked through PciIo, for bus masters that it is not told; a refused Map is a `Mapped` with a status of error.
    """

    role: ClassVar[Role]

    def start(self) -> EfiStatus:
        """Run the entry point: allocate, register for ExitBootServices."""
        ...

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """Return pages fit to be mapped as a common buffer."""
        ...

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """Take a common buffer back."""
        ...

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Make memory reachable for a bus master."""
        ...

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End a mapping."""
        ...


@runtime_checkable
class OsLoader(Protocol):
    """What an OS loader offers."""

    role: ClassVar[Role]

    def boot(self) -> EfiStatus:
        """End boot services; the OS has the machine when it returns success. Returns the last status."""
        ...


@runtime_checkable
class Driver(Protocol):
    """What a driver offers; every method returns a status or raises, and an exception is a failure of the target."""

    role: ClassVar[Role]
    kind: ClassVar[DeviceKind]

    def supported(self) -> EfiStatus:
        """Tell whether the driver can manage the device; touches no more of it than registers."""
        ...

    def start(self) -> EfiStatus:
        """Bring the device up: allocate, map, program, register for ExitBootServices."""
        ...

    def stop(self) -> EfiStatus:
        """Take the device down, and give back all that `start` took."""
        ...


@runtime_checkable
class BlockDriver(Driver, Protocol):
    """A driver of kind `block`; blocks are 512 bytes."""

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Return `count` blocks from `lba` on."""
        ...

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write whole blocks from `lba` on; they are on the disk when it returns."""
        ...


@runtime_checkable
class QueueingBlockDriver(BlockDriver, Protocol):
    """A block driver that can also leave a command in flight, as EFI_BLOCK_IO2_PROTOCOL's WriteBlocksEx does."""

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        """Hand whole blocks to the device and return at once."""
        ...


@runtime_checkable
class KeyboardDriver(Driver, Protocol):
    """A driver of kind `keyboard`."""

    def read_key(self) -> tuple[EfiStatus, bytes]:
        """Return the oldest report of eight bytes that was not read yet, or EFI_NOT_READY; does not wait for a key."""
        ...


@runtime_checkable
class NetworkDriver(Driver, Protocol):
    """A driver of kind `network`; a frame has at most 1514 bytes."""

    def transmit(self, frame: bytes) -> EfiStatus:
        """Send a frame; it is on the wire when it returns."""
        ...

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Return the oldest frame that was not returned yet, or EFI_NOT_READY; does not wait for one."""
        ...


@runtime_checkable
class OwnDeviceDriver(Driver, Protocol):
    """A driver of kind `device`; its class has a `device`, the class of its model (`sevconf.contract.device`)."""

    def work(self) -> EfiStatus:
        """Let the device do what it is for, once; by the end data has gone both ways by DMA."""
        ...
