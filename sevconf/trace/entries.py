"""
The entries of a trace: every act of a run as one frozen value.

An entry says when (`step`, counted from 1), who (`actor`), inside which other act (`within`: the step of the service
call or notification that was open, or None) and at which task priority level it happened. Values only: no entry knows
how it was produced, so the same rule reads the reference machine, a vendor's driver, real firmware and a file.

An actor is `party:name` (`driver:disk`, `iommu-driver:sev`) or a bare party. Besides the judged parties there are
`scenario` (what a Given or When itself commits: never charged), `device:NAME`, `host` and `pci`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sevconf.vocabulary import CBit, DmaOperation, EfiStatus, FaultReason, Gpa, Gva, MemoryType, Tpl

#: What an argument or result of a service may be in a trace.
Value: TypeAlias = int | str | bool | None
#: Named arguments or results, in the order of the service's prototype.
Fields: TypeAlias = tuple[tuple[str, Value], ...]


def party_of(actor: str) -> str:
    """Tell the party of an actor: what stands before the colon."""
    return actor.partition(":")[0]


class Phase(Enum):
    """Where a call of ExitBootServices stands (UEFI 2.10, 7.4.6)."""

    CALLED = "ExitBootServices is called"
    BEFORE_GROUP = "the BeforeExitBootServices group is signaled"
    TIMERS_OFF = "timers are off"
    KEY_REFUSED = "the MapKey is refused"
    KEY_ACCEPTED = "the MapKey is accepted"
    EXIT_GROUP = "the ExitBootServices group is signaled"
    HANDLERS_DONE = "every queued notification has run"
    SERVICES_GONE = "boot services are gone"
    RETURNED = "ExitBootServices returns"
    HANDED_OFF = "the OS owns the machine"


@dataclass(frozen=True, slots=True)
class Entry:
    """What all entries share."""

    step: int
    actor: str
    within: int | None
    tpl: Tpl


@dataclass(frozen=True, slots=True)
class ServiceCall(Entry):
    """A service is called (`AllocatePool`, `PciIo.Map`); what follows inside it has `within` = this step."""

    service: str
    arguments: Fields = ()


@dataclass(frozen=True, slots=True)
class ServiceReturn(Entry):
    """The service call of step `call` returned; `status` is None for services without one."""

    call: int
    service: str
    status: EfiStatus | None
    results: Fields = ()


@dataclass(frozen=True, slots=True)
class EventCreated(Entry):
    """An event exists; `group` is a GUID or None; `notify_tpl` is None for an event without notification."""

    event: str
    type: int
    notify_tpl: Tpl | None
    group: str | None


@dataclass(frozen=True, slots=True)
class EventQueued(Entry):
    """The notification of an event stands at the end of the FIFO of its level."""

    event: str
    notify_tpl: Tpl


@dataclass(frozen=True, slots=True)
class EventClosed(Entry):
    """An event is gone; `was_queued` tells that its notification was taken out of the queue."""

    event: str
    was_queued: bool


@dataclass(frozen=True, slots=True)
class NotificationBegan(Entry):
    """A notification function starts; its actor is whoever created the event; `group` is a GUID or None."""

    event: str
    group: str | None


@dataclass(frozen=True, slots=True)
class NotificationEnded(Entry):
    """The notification that began at step `began` returned, leaving the level `tpl` that it should have restored."""

    event: str
    began: int


@dataclass(frozen=True, slots=True)
class ProcedureBegan(Entry):
    """An application processor begins a procedure for its actor; what that does has `within` = this step."""

    processor: int


@dataclass(frozen=True, slots=True)
class MapChanged(Entry):
    """A range of pages changed its type in the memory map; `key` is the MapKey from now on."""

    start: Gpa
    pages: int
    type: MemoryType
    key: int


@dataclass(frozen=True, slots=True)
class ExitPhase(Entry):
    """ExitBootServices got one phase further; `status` only where it returns."""

    phase: Phase
    status: EfiStatus | None = None


@dataclass(frozen=True, slots=True)
class MappingMade(Entry):
    """
    A DMA mapping is live; `mapping` names it in this trace (`M1`), whoever's token it is.

    `owner` is the actor that asked for it, `bus_master` the device it is for. `host` and `device` are the two ends,
    `length` the bytes mapped.
    """

    mapping: str
    owner: str
    bus_master: str
    operation: DmaOperation
    host: Gpa
    device: int
    length: int


@dataclass(frozen=True, slots=True)
class MappingEnded(Entry):
    """A mapping is no longer live: Unmap returned, or the IOMMU driver tore it down of its own accord."""

    mapping: str


@dataclass(frozen=True, slots=True)
class CBitChanged(Entry):
    """The C-bit of the page-table entries that cover `pages` pages from `gva` (which map `gpa`) changed."""

    gva: Gva
    gpa: Gpa
    pages: int
    cbit: CBit


@dataclass(frozen=True, slots=True)
class GuestAccess(Entry):
    """The guest's CPU read or wrote `length` bytes of data at `gva`, through entries whose C-bit was `cbit`."""

    gva: Gva
    gpa: Gpa
    length: int
    write: bool
    cbit: CBit


@dataclass(frozen=True, slots=True)
class InstructionAccess(GuestAccess):
    """Such an access of a binary; `at` names the first of the instructions that made it, by image and offset."""

    at: str


@dataclass(frozen=True, slots=True)
class Dma(Entry):
    """A device read or wrote `length` bytes at DeviceAddress `address`."""

    device: str
    address: int
    length: int
    write: bool


@dataclass(frozen=True, slots=True)
class IommuFault(Entry):
    """
    The IOMMU refused a device's access, and no byte of it was moved.

    `source` is the device's source id (bus, device and function number, as PCI Express packs them), `reason` what the
    fault record says.
    """

    device: str
    address: int
    length: int
    write: bool
    source: int = 0
    reason: FaultReason | None = None


@dataclass(frozen=True, slots=True)
class IommuState(Entry):
    """The IOMMU's registers were written: whether it translates from now on, and by the tables at `root`."""

    translating: bool
    root: Gpa


@dataclass(frozen=True, slots=True)
class IommuCommand(Entry):
    """`command` was written to the IOMMU's global command register, while its status register read `status`."""

    command: int
    status: int


@dataclass(frozen=True, slots=True)
class DeviceRegister(Entry):
    """A register of a device was read or written through PciIo."""

    device: str
    register: str
    value: int
    write: bool


@dataclass(frozen=True, slots=True)
class DeviceState(Entry):
    """A device started or halted: halted means that it begins no DMA."""

    device: str
    running: bool


@dataclass(frozen=True, slots=True)
class HostAct(Entry):
    """The host did something to the guest's devices or to its own copies of data."""

    what: str


@dataclass(frozen=True, slots=True)
class SecretBorn(Entry):
    """The suite made a secret of `length` unique bytes, which is about to enter the guest's RAM."""

    secret: str
    length: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Plaintext in DRAM: `length` bytes of a secret, from its byte `offset` on, lie at `gpa`."""

    secret: str
    offset: int
    gpa: Gpa
    length: int


@dataclass(frozen=True, slots=True)
class Dumped(Entry):
    """All of DRAM was read from the host's side and searched; `attacker` tells a compromise from a positive control."""

    attacker: bool
    pages: int
    sha256: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Exposed(Entry):
    """
    What an attacker finds from here on who dumps and searches DRAM after every step.

    It is recorded where that differs from what he found after the step before, and stands right behind the step whose
    effect it is; with none of it recorded, he finds nothing.
    """

    findings: tuple[Finding, ...]
