"""The reference machine behind the contract's facets: each act of a step becomes an act on the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from sevconf.contract import Act, EventSpec, Mappable, Mapped, MappingToken, MemoryMap, QueueingBlockDriver, Secret
from sevconf.contract.disk import BLOCK
from sevconf.contract.driver import BlockDriver, EventHandle
from sevconf.errors import Unsupported
from sevconf.model.devices.probe import PROBE
from sevconf.model.machine import ALIAS_STEP, ALIASES, FAR_RAM, RAM_SIZE, SCRATCH, ReferenceMachine
from sevconf.model.recorder import Service
from sevconf.subjects.interrupts import timer_inside
from sevconf.trace import Dumped
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    FOUR_GIB,
    HUGE_PAGE,
    LARGE_PAGE,
    PAGE_SIZE,
    AllocateType,
    AttributeOperation,
    CBit,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    MemoryType,
    PciAttribute,
    TimerDelay,
    Tpl,
)

#: A buffer that holds any memory map of the model, in bytes.
AMPLE = 1 << 16


class MemoryFacet:
    """Guest memory, page by page, in the scenarios' own part of RAM."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine
        self._next_page = SCRATCH
        self._next_alias = ALIASES

    def pages(self, count: int = 1, *, cbit: CBit = CBit.SET, large: bool = False, huge: bool = False) -> Gva:
        """Return fresh pages; `large` is one aligned 2 MiB page, `huge` the one of 1 GiB in far memory."""
        if huge:
            page = self._machine.mmu.tables.walk(Gva(FOUR_GIB))
            if page is None or page.size != HUGE_PAGE:
                raise Unsupported("no page of 1 GiB is left whole")
            self._machine.guest.set_cbit(Gva(FOUR_GIB), HUGE_PAGE // PAGE_SIZE, cbit)
            return Gva(FOUR_GIB)
        step = LARGE_PAGE if large else PAGE_SIZE
        start = Gva(-(-self._next_page // step) * step)
        size = LARGE_PAGE if large else count * PAGE_SIZE
        self._next_page = start + size
        if not large:
            # Firmware maps RAM by 2 MiB pages; a change and its reverse leave an entry of 4 KiB.
            self._machine.mmu.tables.set_cbit(start, count, CBit.SET if cbit is CBit.CLEAR else CBit.CLEAR)
        self._machine.guest.set_cbit(start, size // PAGE_SIZE, cbit)
        return start

    def alias(self, gva: Gva, cbit: CBit) -> Gva:
        """Map the page of `gva` a second time."""
        alias, self._next_alias = Gva(self._next_alias), self._next_alias + ALIAS_STEP
        page = Gva(gva // PAGE_SIZE * PAGE_SIZE)
        self._machine.mmu.tables.map_page(alias, self.gpa(page), cbit)
        self._machine.mmu.flush_tlb()
        return Gva(alias + gva - page)

    def gpa(self, gva: Gva) -> Gpa:
        """Walk the tables."""
        translation = self._machine.mmu.tables.walk(gva)
        if translation is None:
            raise ValueError(f"no page is mapped at Gva {gva:#x}")
        return translation.gpa(gva)

    def read(self, gva: Gva, length: int) -> bytes | None:
        """Load."""
        return self._machine.guest.load(gva, length)

    def write(self, gva: Gva, data: bytes) -> bool:
        """Store."""
        return self._machine.guest.store(gva, data)

    def fetch(self, gva: Gva, length: int) -> bytes | None:
        """Fetch."""
        return self._machine.mmu.fetch(gva, length)

    def set_cbit(self, gva: Gva, cbit: CBit, pages: int = 1, *, flush: bool = True) -> None:
        """Change leaf entries."""
        self._machine.guest.set_cbit(gva, pages, cbit, flush=flush)

    def set_table_cbit(self, gva: Gva, level: Literal[2, 3, 4], cbit: CBit) -> None:
        """Change a non-leaf entry."""
        self._machine.mmu.tables.set_table_cbit(gva, level, cbit)
        self._machine.mmu.flush_tlb()

    def flush_tlb(self) -> None:
        """Drop cached translations."""
        self._machine.mmu.flush_tlb()

    def cbits(self, gva: Gva, pages: int) -> tuple[CBit, ...]:
        """Read leaf entries."""
        return tuple(self._machine.mmu.tables.leaf_cbits(gva, pages))

    def shared_pages(self) -> tuple[Gpa, ...]:
        """Read every leaf entry of RAM."""
        tables = self._machine.mmu.tables
        ranges = ((0, RAM_SIZE), FAR_RAM)
        pages = (tables.pages_with(Gva(start), (end - start) // PAGE_SIZE, CBit.CLEAR) for start, end in ranges)
        return tuple(page for range_ in pages for page in range_)

    def declared_shared(self) -> tuple[Gpa, ...]:
        """Declare nothing: under SEV a guest needs no page that is shared for ever."""
        return ()

    def map_by_table(self, gva: Gva, written_with: CBit) -> Gva:
        """Map again, then rewrite the leaf table through an alias of it that has that C-bit."""
        alias = self.alias(gva, CBit.SET)
        leaf = self._machine.mmu.tables.walk(alias)
        if leaf is None:
            raise ValueError(f"the alias at Gva {alias:#x} is not mapped")
        table = Gva(leaf.entry // PAGE_SIZE * PAGE_SIZE)
        entries = self._machine.mmu.read(table, PAGE_SIZE)
        if entries is None:
            raise ValueError(f"the table at {table:#x} is not mapped")
        self._machine.guest.store(self.alias(table, written_with), entries)
        self._machine.mmu.flush_tlb()
        return alias

    def switch_page_tables(self, cbit: CBit) -> None:
        """Load CR3 as an OS does."""
        with self._machine.recorder.acting("os"):
            self._machine.switch_page_tables(cbit)


class HostFacet:
    """The host."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine

    def read(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM."""
        return self._machine.host.read(gpa, length)

    def write(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM."""
        self._machine.host.write(gpa, data)

    def secret(self, name: str, length: int) -> Secret:
        """Make a secret."""
        return self._machine.host.secret(name, length)

    def keystrokes(self, name: str, count: int) -> Secret:
        """Make a secret of keystrokes."""
        return self._machine.host.keystrokes(name, count)

    def search(self, secrets: Sequence[Secret]) -> Dumped:
        """Look for secrets."""
        return self._machine.host.search(secrets)

    def compromise(self, secrets: Sequence[Secret]) -> Dumped:
        """Let an attacker look for secrets."""
        return self._machine.host.compromise(secrets)

    def watch(self) -> None:
        """Let an attacker look after every step."""
        self._machine.host.watch()

    def run_devices(self, rounds: int = 1) -> None:
        """Let devices run."""
        self._machine.host.run_devices(rounds)

    def wipe_copies(self) -> None:
        """Wipe the host's copies."""
        self._machine.host.wipe_copies()


class CoreFacet:
    """The core's services, called by the scenario; events go by their names."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._core = machine.core
        self._machine = machine
        self._handles: dict[str, EventHandle] = {}
        self._pool: list[Gva] = []

    def create_event(self, spec: EventSpec) -> EfiStatus:
        """CreateEvent, or CreateEventEx for a group or on request."""
        tpl = spec.tpl if spec.tpl is not None else Tpl.APPLICATION

        def notify() -> None:
            for act in spec.script:
                self._perform(act)

        function = None if spec.tpl is None else notify
        if spec.group is not None or spec.by_create_event_ex:
            status, handle = self._core.create_event_ex(spec.type, tpl, function, spec.group, name=spec.name)
        else:
            status, handle = self._core.create_event(spec.type, tpl, function, name=spec.name)
        self._handles[spec.name] = handle
        return status

    def _perform(self, act: Act) -> None:
        match act.service:
            case "SignalEvent":
                self.signal_event(act.event)
            case "CloseEvent":
                self.close_event(act.event)
            case "CreateEvent":
                self.create_event(EventSpec(act.event, act.type, act.tpl, act.group))
            case "AllocatePool":
                self._pool.append(self.allocate_pool(act.size)[1])
            case "FreePool":
                self.free_pool(self._pool.pop())
            case "AllocatePages":
                self.allocate_pages(act.size)
            case "RaiseTPL":
                self.raise_tpl(act.tpl or Tpl.HIGH_LEVEL)
            case "GetMemoryMap":
                self.memory_map()
            case "Stall":
                self.stall(act.size)
            case "SetTimer":
                self.set_timer(act.event, TimerDelay.RELATIVE, act.size)

    def _handle(self, name: str) -> EventHandle:
        return self._handles.get(name, EventHandle(0))

    def signal_event(self, name: str) -> EfiStatus:
        """SignalEvent."""
        return self._core.signal_event(self._handle(name))

    def close_event(self, name: str) -> EfiStatus:
        """CloseEvent."""
        return self._core.close_event(self._handle(name))

    def check_event(self, name: str) -> EfiStatus:
        """CheckEvent."""
        return self._core.check_event(self._handle(name))

    def set_timer(self, name: str, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        """SetTimer."""
        return self._core.set_timer(self._handle(name), delay, trigger_time)

    def pass_time(self, units: int) -> None:
        """Let time pass."""
        self._machine.events.pass_time(units)

    def raise_tpl(self, tpl: Tpl) -> Tpl:
        """RaiseTPL."""
        return self._core.raise_tpl(tpl)

    def restore_tpl(self, tpl: Tpl) -> None:
        """RestoreTPL."""
        self._core.restore_tpl(tpl)

    def allocate_pages(
        self,
        pages: int,
        memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA,
        *,
        at: int | None = None,
        below: int | None = None,
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePages."""
        if at is not None:
            return self._core.allocate_pages(AllocateType.ADDRESS, memory_type, pages, at)
        if below is not None:
            return self._core.allocate_pages(AllocateType.MAX_ADDRESS, memory_type, pages, below - 1)
        return self._core.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        """FreePages."""
        return self._core.free_pages(address, pages)

    def allocate_pool(
        self, size: int, memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePool."""
        return self._core.allocate_pool(memory_type, size)

    def free_pool(self, buffer: Gva) -> EfiStatus:
        """FreePool."""
        return self._core.free_pool(buffer)

    def memory_map(self, buffer_size: int | None = None) -> tuple[EfiStatus, MemoryMap]:
        """GetMemoryMap."""
        return self._core.get_memory_map(AMPLE if buffer_size is None else buffer_size)

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """ExitBootServices."""
        return self._core.exit_boot_services(map_key)

    def wait_for_event(self, name: str) -> EfiStatus:
        """WaitForEvent."""
        return self._core.wait_for_event((self._handle(name),))[0]

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall."""
        return self._core.stall(microseconds)

    def locate_protocol(self, guid: str) -> EfiStatus:
        """LocateProtocol."""
        return self._core.locate_protocol(guid)[0]

    def remove_private_protocols(self) -> None:
        """Empty the database of what is not UEFI's."""
        self._core.remove_private_protocols()


class DmaFacet:
    """PciIo of the probe."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine
        self._pci_io = machine.pci_io(machine.probe)

    def allocate_buffer(self, pages: int) -> tuple[EfiStatus, Gva]:
        """PciIo.AllocateBuffer."""
        return self._pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, pages)

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """PciIo.FreeBuffer."""
        return self._pci_io.free_buffer(pages, host_address)

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """PciIo.Map."""
        return self._pci_io.map(operation, host_address, length)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """PciIo.Unmap."""
        return self._pci_io.unmap(mapping)

    def map_interrupted(self, first: Mappable, act: int, second: Mappable) -> tuple[Mapped, Mapped | None]:
        """Map, and map again inside."""
        answers: list[Mapped] = []

        def on_timer() -> None:
            answers.append(self.map(second.operation, second.host, second.length))

        with timer_inside(self._machine, "IoMmu.Map", act, on_timer):
            mapped = self.map(first.operation, first.host, first.length)
        return mapped, answers[0] if answers else None

    def dual_address_cycle(self, *, enabled: bool) -> EfiStatus:
        """PciIo.Attributes."""
        operation = AttributeOperation.ENABLE if enabled else AttributeOperation.DISABLE
        return self._pci_io.attributes(operation, PciAttribute.DUAL_ADDRESS_CYCLE)[0]

    def unmap_at_exit(self, mapping: MappingToken, tpl: Tpl) -> EfiStatus:
        """Unmap in an exit handler."""

        def on_exit() -> None:
            self._pci_io.unmap(mapping)

        status, _ = self._machine.core.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, tpl, on_exit, name="unmapping handler"
        )
        return status

    def map_behind_exit_handlers(self, operation: DmaOperation, host_address: Gva, length: int) -> EfiStatus:
        """Map in an event that an exit handler signals."""
        core = self._machine.core

        def late() -> None:
            self._pci_io.map(operation, host_address, length)

        status, deferred = core.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, late, name="late Map")
        if status.is_error:
            return status

        def on_exit() -> None:
            core.signal_event(deferred)

        return core.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, on_exit, name="deferring handler")[0]

    def device_read(self, address: int, length: int) -> bytes | None:
        """Let the probe read."""
        return self._machine.bus.try_read(PROBE, address, length, by="scenario")

    def device_write(self, address: int, data: bytes) -> bool:
        """Let the probe write."""
        return self._machine.bus.try_write(PROBE, address, data, by="scenario")


class DriverFacet:
    """The disk's driver, asked to act as itself; each request stands in the trace as a service call of the scenario."""

    def __init__(self, machine: ReferenceMachine, connect_others: Callable[[], None] = lambda: None) -> None:
        self._machine = machine
        self._connect_others = connect_others

    @contextmanager
    def _asked(self, service: str, **arguments: int) -> Iterator[tuple[BlockDriver, Service]]:
        driver = self._machine.driver
        with self._machine.recorder.service(service, self._machine.driver_actor, **arguments) as call:
            yield driver, call

    def start(self) -> EfiStatus:
        """Supported, then Start; a platform may start others first."""
        self._connect_others()
        with self._asked("DriverBinding.Supported") as (driver, call):
            status = call.returns(driver.supported())
        if status.is_error:
            return status
        with self._asked("DriverBinding.Start") as (driver, call):
            return call.returns(driver.start())

    def stop(self) -> EfiStatus:
        """Stop."""
        with self._asked("DriverBinding.Stop") as (driver, call):
            return call.returns(driver.stop())

    def read(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """ReadBlocks."""
        with self._asked("BlockIo.ReadBlocks", lba=lba, blocks=count) as (driver, call):
            status, data = driver.read_blocks(lba, count)
            return call.returns(status), data

    def write(self, lba: int, data: bytes) -> EfiStatus:
        """WriteBlocks."""
        with self._asked("BlockIo.WriteBlocks", lba=lba, blocks=len(data) // BLOCK) as (driver, call):
            return call.returns(driver.write_blocks(lba, data))

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        """WriteBlocksEx."""
        with self._asked("BlockIo2.WriteBlocksEx", lba=lba, blocks=len(data) // BLOCK) as (driver, call):
            if not isinstance(driver, QueueingBlockDriver):
                raise Unsupported("the driver cannot leave a write in flight: it has no submit_write")
            return call.returns(driver.submit_write(lba, data))

    def fail_call(self, number: int) -> None:
        """Choose the call that fails."""
        self._machine.shortage.fail_call(number)

    def call_failed(self) -> bool:
        """Ask whether it came."""
        return not self._machine.shortage.pending

    def map_at_most(self, length: int) -> None:
        """Limit Map."""
        self._machine.shortage.map_at_most(length)

    def medium(self, lba: int, count: int) -> bytes:
        """Read the disk image."""
        return bytes(self._machine.disk.medium[lba * BLOCK : (lba + count) * BLOCK])

    def put_medium(self, lba: int, data: bytes) -> None:
        """Write the disk image."""
        self._machine.disk.medium[lba * BLOCK : lba * BLOCK + len(data)] = data


class LoaderFacet:
    """The OS loader, asked to act as itself."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine

    def boot(self) -> EfiStatus:
        """Take the machine over."""
        with self._machine.recorder.acting(self._machine.loader.actor):
            return self._machine.loader.boot()
