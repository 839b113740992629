"""
The machine's side of the contract: what steps need from any target.

A machine is a handful of facets, each for one capability. Every method is one act of a Given or When, takes and returns
values only (so it can be asked of another process, of an emulator or of firmware in QEMU), and leaves its entries in
`machine.trace`, which is what Then-steps judge.

Acts of the facets `core`, `dma` and `memory` are the scenario's own: their actor is `scenario`. `driver` and `loader`
ask the judged code to act, and what it does is its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from sevconf.contract.capability import Capability
from sevconf.contract.driver import Mapped, MappingToken, MemoryMap
from sevconf.contract.secret import Secret
from sevconf.trace import Dumped, Trace
from sevconf.vocabulary import (
    CBit,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    IommuAccess,
    MachineKind,
    MemoryType,
    Party,
    Revision,
    TimerDelay,
    Tpl,
)

#: Conforming IOMMU drivers that a scenario may ask for instead of the target's own.
IommuVariant: TypeAlias = Literal["core-signalled", "tracing"]


@dataclass(frozen=True, slots=True)
class Act:
    """
    One service call that a notification function of the scenario makes; a list of them is its whole script.

    `event` names the event it concerns; `type`, `tpl`, `group` and `size` (bytes, pages, microseconds or, for a
    relative timer, units of 100 ns) are what the service takes.
    """

    service: Literal[
        "SignalEvent",
        "CloseEvent",
        "CreateEvent",
        "AllocatePool",
        "FreePool",
        "AllocatePages",
        "RaiseTPL",
        "GetMemoryMap",
        "Stall",
        "SetTimer",
    ]
    event: str = ""
    type: int = 0
    tpl: Tpl | None = None
    group: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class EventSpec:
    """An event to create: its name in the trace, and what CreateEvent or CreateEventEx (for a group) takes."""

    name: str
    type: int
    tpl: Tpl | None = None
    group: str | None = None
    script: tuple[Act, ...] = ()
    by_create_event_ex: bool = False


@dataclass(frozen=True, slots=True)
class Mappable:
    """What Map takes: an operation, and `length` bytes at `host`."""

    operation: DmaOperation
    host: Gva
    length: int


class GuestMemoryFacet(Protocol):
    """Guest memory, access by access; needs `guest-memory`. A Gva from `pages` is mapped; contents are undefined."""

    def pages(self, count: int = 1, *, cbit: CBit = CBit.SET, large: bool = False, huge: bool = False) -> Gva:
        """
        Return fresh pages whose entries have that C-bit.

        `large`: one 2 MiB page, `huge`: the one 1 GiB page that there is, whatever `count` says.
        """
        ...

    def alias(self, gva: Gva, cbit: CBit) -> Gva:
        """Return a second Gva of the same page, with a C-bit of its own."""
        ...

    def gpa(self, gva: Gva) -> Gpa:
        """Return the guest-physical address behind a Gva."""
        ...

    def read(self, gva: Gva, length: int) -> bytes | None:
        """Read data; None is a page fault."""
        ...

    def write(self, gva: Gva, data: bytes) -> bool:
        """Write data; False is a page fault."""
        ...

    def fetch(self, gva: Gva, length: int) -> bytes | None:
        """Fetch instruction bytes; None is a page fault."""
        ...

    def set_cbit(self, gva: Gva, cbit: CBit, pages: int = 1, *, flush: bool = True) -> None:
        """Change the C-bit of the entries that cover these pages, splitting large pages; then flush the TLB, or not."""
        ...

    def set_table_cbit(self, gva: Gva, level: Literal[2, 3, 4], cbit: CBit) -> None:
        """Change the C-bit of the non-leaf entry on the way to `gva`: level 4 is the PML4, 3 the PDPT, 2 the PD."""
        ...

    def flush_tlb(self) -> None:
        """Drop every cached translation."""
        ...

    def cbits(self, gva: Gva, pages: int) -> tuple[CBit, ...]:
        """Return the C-bit of each of these pages, as their entries have it now."""
        ...

    def map_by_table(self, gva: Gva, written_with: CBit) -> Gva:
        """Map the page of `gva` again, by a leaf table whose entries the guest wrote through that C-bit."""
        ...

    def shared_pages(self) -> tuple[Gpa, ...]:
        """Return the pages of all RAM that the guest's present entries have with the C-bit clear."""
        ...

    def declared_shared(self) -> tuple[Gpa, ...]:
        """Return the pages that the target declares as shared with the host for ever, such as GHCBs."""
        ...

    def switch_page_tables(self, cbit: CBit) -> None:
        """Load CR3 with new tables that map all RAM one to one, with that C-bit everywhere, as an OS does."""
        ...


class HostFacet(Protocol):
    """The host: honest, until it is compromised. Dumps need `dram-dump`."""

    def read(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM as it lies."""
        ...

    def write(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM as it lies, as a virtual device does."""
        ...

    def secret(self, name: str, length: int) -> Secret:
        """Make a secret of that many bytes, from the row's seed."""
        ...

    def keystrokes(self, name: str, count: int) -> Secret:
        """Make a secret of that many keystrokes, as reports of a keyboard."""
        ...

    def search(self, secrets: Sequence[Secret]) -> Dumped:
        """Look for these secrets in all of DRAM, as a positive control."""
        ...

    def compromise(self, secrets: Sequence[Secret]) -> Dumped:
        """Let an attacker dump all of DRAM and look for these secrets in it."""
        ...

    def watch(self) -> None:
        """Let an attacker dump all of DRAM after every step from now on, and look for all secrets made from now on."""
        ...

    def run_devices(self, rounds: int = 1) -> None:
        """Let every device make progress, once a round, as time passes outside the guest."""
        ...

    def wipe_copies(self) -> None:
        """Let the host destroy its own copy of all that it was sent: disk image detached, key wiped."""
        ...


class CoreFacet(Protocol):
    """The core's services, called one by one by the scenario; needs `core-services`."""

    def create_event(self, spec: EventSpec) -> EfiStatus:
        """CreateEvent or CreateEventEx."""
        ...

    def signal_event(self, name: str) -> EfiStatus:
        """SignalEvent."""
        ...

    def close_event(self, name: str) -> EfiStatus:
        """CloseEvent."""
        ...

    def check_event(self, name: str) -> EfiStatus:
        """CheckEvent."""
        ...

    def set_timer(self, name: str, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        """SetTimer, in units of 100 ns."""
        ...

    def pass_time(self, units: int) -> None:
        """Let `units` of 100 ns pass: timers tick, unless they are off."""
        ...

    def raise_tpl(self, tpl: Tpl) -> Tpl:
        """RaiseTPL."""
        ...

    def restore_tpl(self, tpl: Tpl) -> None:
        """RestoreTPL."""
        ...

    def allocate_pages(
        self,
        pages: int,
        memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA,
        *,
        at: int | None = None,
        below: int | None = None,
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePages, at any address, or at that one, or below that one."""
        ...

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        """FreePages."""
        ...

    def allocate_pool(
        self, size: int, memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePool."""
        ...

    def free_pool(self, buffer: Gva) -> EfiStatus:
        """FreePool."""
        ...

    def memory_map(self, buffer_size: int | None = None) -> tuple[EfiStatus, MemoryMap]:
        """GetMemoryMap, into a buffer of that many bytes (None: large enough)."""
        ...

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """ExitBootServices."""
        ...

    def wait_for_event(self, name: str) -> EfiStatus:
        """WaitForEvent, for one event."""
        ...

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall."""
        ...

    def locate_protocol(self, guid: str) -> EfiStatus:
        """LocateProtocol."""
        ...

    def remove_private_protocols(self) -> None:
        """Leave only UEFI's own protocols in the database, as on a platform that has no others."""
        ...


class DmaFacet(Protocol):
    """PciIo for a bus master that the scenario itself drives, called `probe`; needs `dma-client`."""

    def allocate_buffer(self, pages: int) -> tuple[EfiStatus, Gva]:
        """PciIo.AllocateBuffer."""
        ...

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """PciIo.FreeBuffer."""
        ...

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """PciIo.Map."""
        ...

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """PciIo.Unmap."""
        ...

    def map_interrupted(self, first: Mappable, act: int, second: Mappable) -> tuple[Mapped, Mapped | None]:
        """
        Map, and let a timer's notification at TPL_NOTIFY in at that act (from 1) of the IOMMU driver; it maps too.

        The notification's result is None if the IOMMU driver was done before; needs `interrupts`.
        """
        ...

    def dual_address_cycle(self, *, enabled: bool) -> EfiStatus:
        """PciIo.Attributes: enable or disable DUAL_ADDRESS_CYCLE."""
        ...

    def unmap_at_exit(self, mapping: MappingToken, tpl: Tpl) -> EfiStatus:
        """Register an ExitBootServices handler at that level that unmaps it, as old virtio drivers did."""
        ...

    def map_behind_exit_handlers(self, operation: DmaOperation, host_address: Gva, length: int) -> EfiStatus:
        """Register an ExitBootServices handler at TPL_CALLBACK that maps in an event which it signals."""
        ...

    def device_read(self, address: int, length: int) -> bytes | None:
        """Let the bus master read memory; None is an IOMMU fault."""
        ...

    def device_write(self, address: int, data: bytes) -> bool:
        """Let the bus master write memory; False is an IOMMU fault."""
        ...


class DriverFacet(Protocol):
    """The block driver under judgement and its disk; needs `block-driver`."""

    def start(self) -> EfiStatus:
        """Ask the driver whether it supports the disk, and then to start it."""
        ...

    def stop(self) -> EfiStatus:
        """Ask the driver to stop."""
        ...

    def read(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Ask the driver to read blocks of 512 bytes."""
        ...

    def write(self, lba: int, data: bytes) -> EfiStatus:
        """Ask the driver to write blocks."""
        ...

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        """Ask the driver to hand blocks to the disk and return; needs `write-in-flight`."""
        ...

    def fail_call(self, number: int) -> None:
        """Let that call (from 1) of the driver fail, of those that take resources; 0: none. Needs `shortage`."""
        ...

    def call_failed(self) -> bool:
        """Tell whether the call that was to fail has come; needs `shortage`."""
        ...

    def map_at_most(self, length: int) -> None:
        """Let Map give the driver no more than that many bytes from now on; needs `shortage`."""
        ...

    def medium(self, lba: int, count: int) -> bytes:
        """Return blocks as they lie on the disk image."""
        ...

    def put_medium(self, lba: int, data: bytes) -> None:
        """Set blocks of the disk image from the host's side."""
        ...


class KeyboardFacet(Protocol):
    """The keyboard driver under judgement and its keyboard; needs `keyboard-driver`."""

    def start(self) -> EfiStatus:
        """Ask the driver whether it supports the keyboard, and then to start it."""
        ...

    def stop(self) -> EfiStatus:
        """Ask the driver to stop."""
        ...

    def read_key(self) -> tuple[EfiStatus, bytes]:
        """Ask the driver for a report."""
        ...

    def press(self, reports: bytes) -> None:
        """Press keys: reports of eight bytes, one behind the other, told as the keyboard gets on."""
        ...


class NetworkFacet(Protocol):
    """The network driver under judgement and its card; needs `network-driver`."""

    def start(self) -> EfiStatus:
        """Ask the driver whether it supports the card, and then to start it."""
        ...

    def stop(self) -> EfiStatus:
        """Ask the driver to stop."""
        ...

    def transmit(self, frame: bytes) -> EfiStatus:
        """Ask the driver to send a frame."""
        ...

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Ask the driver for a frame."""
        ...

    def deliver(self, frame: bytes) -> None:
        """Let a frame arrive from outside, which the card takes as it gets on."""
        ...

    def sent(self) -> tuple[bytes, ...]:
        """Return the frames that are on the wire, oldest first."""
        ...


class OwnDeviceFacet(Protocol):
    """The driver under judgement of a device that it brings itself; needs `device-driver`."""

    def start(self) -> EfiStatus:
        """Ask the driver whether it supports the device, and then to start it."""
        ...

    def stop(self) -> EfiStatus:
        """Ask the driver to stop."""
        ...

    def work(self) -> EfiStatus:
        """Ask the driver to let the device work once."""
        ...

    def stimulate(self) -> bool:
        """Let something happen outside that the device tells of, as it gets on; False: nothing can happen to it."""
        ...


class LoaderFacet(Protocol):
    """The OS loader under judgement; needs `os-loader`."""

    def boot(self) -> EfiStatus:
        """Let it take the machine over: memory map, ExitBootServices; returns its last status."""
        ...


class IommuFacet(Protocol):
    """An IOMMU that faults, from beside PciIo; needs `iommu-policy`."""

    def map_only(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Call Map of the IOMMU protocol for the probe, without the SetAttribute that PciIo.Map adds."""
        ...

    def set_attribute(self, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Call SetAttribute of the IOMMU protocol for the probe and a mapping made by `map_only`."""
        ...

    def tables_wait(self) -> None:
        """Start the IOMMU driver before it can install its tables; to be called before anybody uses PciIo."""
        ...

    def tables_come(self) -> None:
        """Let the IOMMU driver install its tables."""
        ...

    def refuse_grants(self) -> None:
        """Let SetAttribute fail for want of resources from now on, but for taking access back."""
        ...

    def stranger_read(self, address: int, length: int) -> bytes | None:
        """Let a bus master read for which nothing was ever mapped; None is an IOMMU fault."""
        ...

    def stranger_write(self, address: int, data: bytes) -> bool:
        """Let that bus master write memory; False is an IOMMU fault."""
        ...

    def intruder(self, address: int, length: int) -> None:
        """Plug in a device without driver, `device:intruder`, that reads there at every step of the machine."""
        ...

    def reserved_range(self) -> tuple[Gpa, int]:
        """Return start and pages of what the platform reserves for the probe."""
        ...

    def aware_os(self) -> Gpa:
        """Let the OS that comes take the IOMMU over; returns the one page that it will grant to the probe."""
        ...

    def os_reuses_memory(self) -> None:
        """Let the OS write over all that was the boot services' memory."""
        ...


class SetupFacet(Protocol):
    """Choices that must be made before the machine's drivers start; needs `handler-tpl`."""

    def iommu_handler(self, tpl: Tpl) -> None:
        """Queue the IOMMU driver's ExitBootServices handler at that level, or hold that it has its own one there."""
        ...

    def driver_handler(self, tpl: Tpl) -> None:
        """Queue the reference disk driver's handler at that level."""
        ...

    def opening_iommu(self) -> None:
        """Put an SEV IOMMU driver in place that opens all RAM at exit, as a VT-d driver may."""
        ...

    def iommu_variant(self, variant: IommuVariant) -> None:
        """Put another conforming IOMMU driver in place: one that the core signals apart, or one that keeps a log."""
        ...

    def deferring_driver(self, *, tpl: Tpl) -> None:
        """Put a disk driver in place that halts its disk in a private event at TPL_CALLBACK, signaled at `tpl`."""
        ...

    def keyboard_transfers(self) -> None:
        """Put the keyboard driver in place that maps each transfer by itself; needs `keyboard-transfers`."""
        ...


class Machine(Protocol):
    """One machine, freshly reset, for one scenario."""

    @property
    def trace(self) -> Trace:
        """Everything that happened so far."""
        ...

    @property
    def setup(self) -> SetupFacet:
        """Choices before the start."""
        ...

    @property
    def memory(self) -> GuestMemoryFacet:
        """Guest memory."""
        ...

    @property
    def host(self) -> HostFacet:
        """The host."""
        ...

    @property
    def core(self) -> CoreFacet:
        """The core."""
        ...

    @property
    def dma(self) -> DmaFacet:
        """A bus master of the scenario's own."""
        ...

    @property
    def driver(self) -> DriverFacet:
        """The driver under judgement."""
        ...

    @property
    def keyboard(self) -> KeyboardFacet:
        """The keyboard driver under judgement."""
        ...

    @property
    def network(self) -> NetworkFacet:
        """The network driver under judgement."""
        ...

    @property
    def own_device(self) -> OwnDeviceFacet:
        """The driver under judgement, with its own device."""
        ...

    @property
    def loader(self) -> LoaderFacet:
        """The OS loader under judgement."""
        ...

    @property
    def iommu(self) -> IommuFacet:
        """The IOMMU, from beside PciIo."""
        ...

    def close(self) -> None:
        """Stop whatever was started."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What was judged: `kind` of target, SHA-256 of its code or image, package and version, tools beside it.

    `limits` are limits of the judgement, as sentences.
    """

    name: str
    kind: str
    sha256: str
    package: str = ""
    version: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def repeats(self) -> bool:
        """Whether the same seed gives the same trace: not where QEMU is at work, in real time."""
        return not any(tool == "qemu" for tool, _ in self.tools)


class Target(Protocol):
    """Something that can be judged: it says what it provides, and opens a fresh machine for each scenario."""

    @property
    def identity(self) -> Identity:
        """What is judged."""
        ...

    @property
    def parties(self) -> frozenset[Party]:
        """The parties that it provides; rules on others are not judged."""
        ...

    @property
    def kinds(self) -> frozenset[MachineKind]:
        """The machine kinds that it can be put on."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What its machines can do."""
        ...

    @property
    def revision(self) -> Revision:
        """The revision of UEFI that it states."""
        ...

    def open(self, kind: MachineKind, seed: int) -> Machine:
        """Return a fresh machine of that kind; the same seed gives the same trace."""
        ...

    def close(self) -> None:
        """Stop whatever is shared between machines."""
        ...
