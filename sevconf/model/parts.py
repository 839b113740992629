"""The parts of a machine, as a table: a faulty machine is the reference with one of them exchanged."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sevconf.contract.device import DeviceBus, DeviceModel
from sevconf.contract.driver import (
    BlockDriver,
    BootServices,
    GuestMemory,
    KeyboardDriver,
    NetworkDriver,
    OwnDeviceDriver,
)
from sevconf.contract.driver import PciIo as PciIoProtocol
from sevconf.model.boot_services import Core
from sevconf.model.bus import Bus
from sevconf.model.devices.copier import Copier
from sevconf.model.devices.disk import Disk
from sevconf.model.devices.keyboard import Keyboard
from sevconf.model.devices.nic import Nic
from sevconf.model.drivers.copier import CopierDriver
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.drivers.keyboard import KeyboardDriver as ReferenceKeyboardDriver
from sevconf.model.drivers.nic import NetworkDriver as ReferenceNetworkDriver
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.event import TICK, Event, Events, GroupOrder, newest_first
from sevconf.model.guest import Guest
from sevconf.model.hypervisor import Hypervisor
from sevconf.model.iommu.base import Iommu
from sevconf.model.iommu.sev import InfoPolicy, SevIommu
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.model.iommu_os import IommuAwareOs
from sevconf.model.memory_map import MemoryMap, Placement, bottom_up, top_down
from sevconf.model.mmu import Mmu
from sevconf.model.os_loader import OsLoader
from sevconf.model.page_table import PageTables
from sevconf.model.pci_io import PciIo
from sevconf.model.pool import Pool, last_freed
from sevconf.model.root_bridge import RootBridge
from sevconf.vocabulary import PAGE_SIZE

#: The most ranges of pages that are in use from the start, and the pages that each lies in alone.
MOST_HOLES, MOST_IN_HOLE = 24, 16
#: Devices beside the disk whose drivers a platform may start by itself.
CONNECTABLE = ("keyboard", "nic")

#: Builds a driver from what the contract gives it.
DriverFactory: TypeAlias = Callable[[BootServices, PciIoProtocol, GuestMemory], BlockDriver]
KeyboardDriverFactory: TypeAlias = Callable[[BootServices, PciIoProtocol, GuestMemory], KeyboardDriver]
NetworkDriverFactory: TypeAlias = Callable[[BootServices, PciIoProtocol, GuestMemory], NetworkDriver]
OwnDriverFactory: TypeAlias = Callable[[BootServices, PciIoProtocol, GuestMemory], OwnDeviceDriver]

#: Builds an IOMMU driver from core, guest and ledger, and what can be chosen of it by name.
IommuFactory: TypeAlias = Callable[..., Iommu]


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What UEFI leaves open.

    `order` is that inside a group of events, `place` and `holes` where allocations go and what lies between them from
    the start, `slot` which free place of a pool page is taken, and `info` what becomes of a mapping's record. `pace` is
    how far devices get where they may make progress, `phase` where between two ticks (100 ns) the clock begins, and
    `connects` which other drivers the platform starts before the disk's.
    """

    order: GroupOrder = newest_first
    place: Placement = top_down
    holes: Callable[[int, int], Sequence[tuple[int, int]]] = lambda _start, _end: ()
    slot: Callable[[Sequence[int]], int] = last_freed
    info: InfoPolicy = InfoPolicy.RECYCLE
    pace: Callable[[], int] = lambda: 1
    phase: int = 0
    connects: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Every class that a machine is built from; the defaults are the reference."""

    ram: type[EncryptedRam] = EncryptedRam
    tables: type[PageTables] = PageTables
    mmu: type[Mmu] = Mmu
    guest: type[Guest] = Guest
    events: type[Events] = Events
    memory_map: type[MemoryMap] = MemoryMap
    pool: type[Pool] = Pool
    core: type[Core] = Core
    pci_io: type[PciIo] = PciIo
    bridge: type[RootBridge] = RootBridge
    iommu: IommuFactory = SevIommu
    bus: type[Bus] = Bus
    vtd_unit: type[VtdUnit] = VtdUnit
    vtd: type[VtdIommu] = VtdIommu
    disk: type[Disk] = Disk
    driver: DriverFactory = DiskDriver
    keyboard: type[Keyboard] = Keyboard
    keyboard_driver: KeyboardDriverFactory = ReferenceKeyboardDriver
    nic: type[Nic] = Nic
    network_driver: NetworkDriverFactory = ReferenceNetworkDriver
    own_device: Callable[[DeviceBus], DeviceModel] = Copier
    own_driver: OwnDriverFactory = CopierDriver
    loader: type[OsLoader] = OsLoader
    os: type[IommuAwareOs] = IommuAwareOs
    hypervisor: type[Hypervisor] = Hypervisor
    policy: Callable[[random.Random], Policy] = lambda _: Policy()


def shuffled_policy(draw: random.Random) -> Policy:
    """Draw every freedom that UEFI leaves from a seed."""

    def order(members: Sequence[Event]) -> Sequence[Event]:
        return draw.sample(members, len(members))

    def anywhere(ranges: Sequence[tuple[int, int]], pages: int) -> int:
        start, end = draw.choice(ranges)
        return start + draw.randrange((end - start) // PAGE_SIZE - pages + 1) * PAGE_SIZE

    def holes(start: int, end: int) -> Sequence[tuple[int, int]]:
        firsts = draw.sample(range(start, end, MOST_IN_HOLE * PAGE_SIZE), draw.randrange(MOST_HOLES + 1))
        return [(first, draw.randrange(1, MOST_IN_HOLE)) for first in firsts]

    return Policy(
        order=order,
        place=draw.choice((top_down, bottom_up, anywhere)),
        holes=holes,
        slot=draw.choice((last_freed, min, max, draw.choice)),
        info=draw.choice(list(InfoPolicy)),
        pace=lambda: draw.choice((0, 1, 1, 2, 3)),
        phase=draw.randrange(TICK),
        connects=draw.sample(CONNECTABLE, draw.randrange(len(CONNECTABLE) + 1)),
    )
