"""
The reference machine, put together: firmware tables, core, IOMMU driver, devices and their drivers, host, loader.

Behind VT-d there are a unit and its driver instead, RAM is not encrypted, and the OS may be one that takes it over.

The machine is reset when it is made; its IOMMU driver starts with the first use of PciIo, so that what a scenario wants
of it can still be chosen before. Firmware maps RAM one to one, with the C-bit set on an SEV guest and clear elsewhere,
by 1 GiB and 2 MiB. Devices make one step whenever a register is touched, a notification ends, or time passes.
"""

import hashlib
import random
from functools import cached_property

from sevconf.contract.driver import BlockDriver, KeyboardDriver, NetworkDriver, OwnDeviceDriver
from sevconf.model.devices.intruder import Intruder
from sevconf.model.devices.own import OwnDevice, Stimulated
from sevconf.model.devices.probe import PROBE, Probe
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import Iommu, MappingLedger
from sevconf.model.iommu.none import NoIommu
from sevconf.model.iommu.vtd import ExitPolicy, ReservedRange, VtdIommu
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.model.page_table import PageTables
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.model.recorder import Recorder
from sevconf.model.root_bridge import Function, RootBridge, source_id
from sevconf.model.shortage import Shortage
from sevconf.trace import ExitPhase, Phase, Trace
from sevconf.vocabulary import FOUR_GIB, HUGE_PAGE, LARGE_PAGE, PAGE_SIZE, CBit, Gpa, MachineKind, Tpl

#: Bytes of main memory, from address 0.
RAM_SIZE = 64 << 20
#: Far memory, from 2 MiB below 4 GiB up: first byte, and first byte behind it.
FAR_RAM = (FOUR_GIB - LARGE_PAGE, FOUR_GIB + HUGE_PAGE)
#: Address space that a machine's RAM takes up, in bytes: in two forms, and page by page only where it is written.
ADDRESS_SPACE = 2 * (RAM_SIZE + FAR_RAM[1] - FAR_RAM[0])
#: Bytes at the bottom that belong to the firmware: its page tables, and those of the OS.
FIRMWARE_SIZE = 1 << 20
#: First byte of the top of RAM that the memory map doesn't offer: the scenarios' own pages.
SCRATCH = 32 << 20
#: Positions of the C-bit that processors have, by CPUID 8000_001F; which one a machine has comes from its seed.
CBIT_POSITIONS = (47, 51)
#: What the VT-d driver does at exit, by kinds of machine.
VTD_POLICIES = {MachineKind.VTD_OPEN: ExitPolicy.OPEN, MachineKind.VTD_KEEP: ExitPolicy.KEEP}
#: What the platform reserves for it, in RAM that the memory map doesn't offer.
RESERVED_RANGE = ReservedRange(PROBE, Gpa(56 << 20), 4)
#: The page that an OS which takes the IOMMU over grants to it.
OS_PAGE = Gpa(60 << 20)


class ReferenceMachine:
    """One machine of one kind, from its parts and a seed."""

    def __init__(self, kind: MachineKind, seed: int, parts: Parts | None = None) -> None:
        self.kind = kind
        self.parts = parts = parts or Parts()
        draw = random.Random(seed)  # noqa: S311 (determinism is the point)
        self.policy = parts.policy(draw)
        self.trace = Trace()
        self.recorder = Recorder(self.trace)
        self.encrypted = CBit.SET if kind is MachineKind.SEV else CBit.CLEAR

        self._cbit_position = draw.choice(CBIT_POSITIONS)
        self._next_table = Gpa(PAGE_SIZE)
        self.ram = parts.ram(RAM_SIZE, hashlib.sha256(f"key {seed}".encode()).digest()[:16], FAR_RAM)
        self.mmu = parts.mmu(self.ram, self._one_to_one(self.encrypted))
        self.guest: Guest = parts.guest(self.recorder, self.mmu)

        self.events = parts.events(self.recorder, self.policy.order, self._devices_go_on)
        self.events.now = self.policy.phase
        memory_map = parts.memory_map(self.recorder, SCRATCH, FIRMWARE_SIZE, self.policy.place, FAR_RAM)
        memory_map.occupy(self.policy.holes(FIRMWARE_SIZE, SCRATCH))
        pool = parts.pool(memory_map, self.policy.slot)
        self.core = parts.core(self.recorder, self.events, memory_map, pool, self._let_time_pass)

        self.ledger = MappingLedger(self.recorder)
        #: The VT-d unit, if the machine is of a kind that has one.
        self.unit: VtdUnit | None = None
        if kind in VTD_POLICIES:
            self.unit = parts.vtd_unit(self.recorder, self.ram, self._devices_get_somewhere)
        self.bus = parts.bus(self.recorder, self.ram, self.unit)
        #: Devices that nobody drives.
        self.intruders: list[Intruder] = []
        #: Whether the OS that comes takes the IOMMU over.
        self.os_takes_iommu = False
        #: Whether the VT-d driver starts before the platform can tell it of its units; chosen before its start.
        self.vtd_waits = False
        self.disk = parts.disk(self.recorder, self.bus)
        self.keyboard = parts.keyboard(self.recorder, self.bus)
        self.nic = parts.nic(self.recorder, self.bus)
        #: The device that a driver of kind `device` brings.
        self.own_device: Stimulated = OwnDevice(self.recorder, self.bus, parts.own_device, self.own_driver_actor)
        #: The bus master that scenarios drive.
        self.probe = Probe(self.recorder)
        #: The functions of bus 0, in order of their numbers.
        self.functions: tuple[Function, ...] = (self.disk, self.keyboard, self.nic, self.probe, self.own_device)
        self._pci_ios: dict[str, PciIo] = {}
        if self.unit is not None:
            self.unit.sources.update({function.actor: source_id(n) for n, function in enumerate(self.functions)})
        self.disk.pace = self.keyboard.pace = self.nic.pace = self.policy.pace
        others = (self.keyboard, self.nic)
        self.host = parts.hypervisor(self.recorder, self.ram, self.disk, seed, self._step_devices, others=others)
        self.loader = parts.loader(self.core, self._take_over)
        #: Which calls of the disk's driver fail for want of resources.
        self.shortage = Shortage(self.recorder)
        self.driver_factory = parts.driver
        #: Who acts when the disk's driver acts.
        self.driver_actor = _actor_of(parts.driver)
        self.keyboard_driver_factory = parts.keyboard_driver
        #: Level of the IOMMU driver's ExitBootServices handler; chosen before its start.
        self.iommu_handler_tpl = Tpl.CALLBACK

    # Firmware and OS

    def _new_table(self) -> Gpa:
        table, self._next_table = self._next_table, Gpa(self._next_table + PAGE_SIZE)
        if self._next_table > FIRMWARE_SIZE:
            raise MemoryError("the firmware's room for page tables is used up")
        return table

    def _one_to_one(self, cbit: CBit) -> PageTables:
        tables = self.parts.tables(self.ram, self._new_table, self._cbit_position)
        tables.map_identity(RAM_SIZE, cbit)
        tables.map_identity(FAR_RAM[1] - FAR_RAM[0], cbit, FAR_RAM[0])
        return tables

    def switch_page_tables(self, cbit: CBit) -> None:
        """Load CR3 with fresh tables that map all RAM one to one, with that C-bit everywhere."""
        self.mmu.load_cr3(self._one_to_one(cbit))

    def _take_over(self) -> None:
        self.recorder.record(ExitPhase, by="os", phase=Phase.HANDED_OFF)
        self.switch_page_tables(self.encrypted)
        if self.unit is not None and self.os_takes_iommu:
            with self.recorder.acting("os"):
                self.parts.os(self.guest, self.unit, self._new_table, PROBE, OS_PAGE).take_over()

    # PCI

    @cached_property
    def iommu(self) -> Iommu:
        """The IOMMU driver, started at its first use."""
        if self.kind is MachineKind.NONE:
            return NoIommu(self.core, self.guest, self.ledger)
        iommu: Iommu = self._sev() if self.unit is None else self._vtd(self.unit)
        with self.recorder.acting(iommu.actor):
            iommu.start()
            if isinstance(iommu, VtdIommu) and not self.vtd_waits:
                iommu.set_up()
        return iommu

    def _sev(self) -> Iommu:
        return self.parts.iommu(
            self.core,
            self.guest,
            self.ledger,
            handler_tpl=self.iommu_handler_tpl,
            info_policy=self.policy.info,
        )

    def _vtd(self, unit: VtdUnit) -> VtdIommu:
        return self.parts.vtd(
            self.core,
            self.guest,
            self.ledger,
            unit,
            policy=VTD_POLICIES[self.kind],
            reserved=(RESERVED_RANGE,),
            handler_tpl=self.iommu_handler_tpl,
        )

    @cached_property
    def bridge(self) -> RootBridge:
        """The root bridge, over the IOMMU driver."""
        return self.parts.bridge(self.recorder, self.iommu, self.ledger, self.functions)

    def pci_io(self, device: Function) -> PciIo:
        """Return the PciIo of a device."""
        if device.actor not in self._pci_ios:
            self._pci_ios[device.actor] = self.parts.pci_io(self.recorder, self.bridge, device)
        return self._pci_ios[device.actor]

    @cached_property
    def driver(self) -> BlockDriver:
        """The disk's driver, made at its first use."""
        pci_io = self.pci_io(self.disk)
        with self.recorder.acting(self.driver_actor):
            return self.driver_factory(self.shortage.core(self.core), self.shortage.pci_io(pci_io), self.guest)

    @property
    def keyboard_driver_actor(self) -> str:
        """Who acts when the keyboard's driver acts."""
        return _actor_of(self.keyboard_driver_factory)

    @cached_property
    def keyboard_driver(self) -> KeyboardDriver:
        """The keyboard's driver, made at its first use."""
        pci_io = self.pci_io(self.keyboard)
        with self.recorder.acting(self.keyboard_driver_actor):
            return self.keyboard_driver_factory(self.core, pci_io, self.guest)

    @property
    def network_driver_actor(self) -> str:
        """Who acts when the network card's driver acts."""
        return _actor_of(self.parts.network_driver)

    @cached_property
    def network_driver(self) -> NetworkDriver:
        """The network card's driver, made at its first use."""
        pci_io = self.pci_io(self.nic)
        with self.recorder.acting(self.network_driver_actor):
            return self.parts.network_driver(self.core, pci_io, self.guest)

    @property
    def own_driver_actor(self) -> str:
        """Who acts when the driver of the device that came with it acts."""
        return _actor_of(self.parts.own_driver)

    @cached_property
    def own_driver(self) -> OwnDeviceDriver:
        """The driver of the device that came with it, made at its first use."""
        pci_io = self.pci_io(self.own_device)
        with self.recorder.acting(self.own_driver_actor):
            return self.parts.own_driver(self.core, pci_io, self.guest)

    # Time

    def _step_devices(self) -> None:
        self.disk.step()
        self.keyboard.step()
        self.nic.step()
        self.own_device.step()
        for intruder in self.intruders:
            intruder.step()

    def _devices_go_on(self) -> None:
        for _ in range(self.policy.pace()):
            self._step_devices()

    def _devices_get_somewhere(self) -> None:
        for _ in range(max(self.policy.pace(), 1)):
            self._step_devices()

    def _let_time_pass(self, units: int) -> None:
        self._devices_get_somewhere()
        self.events.pass_time(units)


def _actor_of(factory: object) -> str:
    return f"driver:{getattr(factory, '__name__', 'driver')}"


#: First Gva that maps nothing at reset: aliases go here, each 2 MiB apart from the other tables' pages.
ALIASES = 1 << 39
#: Bytes between two aliases, so that each has a leaf table of its own.
ALIAS_STEP = LARGE_PAGE
