"""
The firmware beneath a binary: tables, services, what the platform tells; images are loaded and started here.

Its own memory (stack, tables, stubs) is at the top of RAM, which the memory map does not offer. Images lie in pages of
their own out of the memory map. Protections of sections are kept where an image's sections have pages of their own.

Spec: UEFI 2.10, 4.3 EFI_SYSTEM_TABLE, 4.4, 4.5, 9.1 EFI_LOADED_IMAGE_PROTOCOL; PI 1.7, volume 3, chapter 4 (HOBs).
"""

import binascii
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from sevconf.contract.driver import EventHandle
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.machine import RAM_SIZE
from sevconf.subjects.binary.abi.calls import Calls
from sevconf.subjects.binary.abi.memory import Memory
from sevconf.subjects.binary.abi.protocols import PCD
from sevconf.subjects.binary.abi.protocols import Protocol as ProtocolTable
from sevconf.subjects.binary.abi.signatures import Datum, Signature
from sevconf.subjects.binary.abi.tables import BOOT_SERVICES, RUNTIME_SERVICES
from sevconf.subjects.binary.cpu.processor import INTERRUPTS_ON, LENGTHS, Permission, Processor, Stop, Write
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.subjects.binary.firmware.base import ConfigurationTables
from sevconf.subjects.binary.firmware.boot_services import BootServices
from sevconf.subjects.binary.firmware.handles import Handles
from sevconf.subjects.binary.firmware.image_services import Exited
from sevconf.subjects.binary.firmware.pcd import Pcds
from sevconf.subjects.binary.firmware.ports import Ports
from sevconf.subjects.binary.firmware.runtime_services import RuntimeServices
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.binary.platform import CBIT_MASK, CBIT_POSITION, Platform
from sevconf.subjects.binary.whereabouts import Loaded, Whereabouts
from sevconf.subjects.qemu.bench import Bench
from sevconf.trace import CBitChanged, InstructionAccess
from sevconf.vocabulary import PAGE_SIZE, AllocateType, CBit, EfiStatus, Gva, MemoryType, pages_for

#: The firmware's own memory: the last 2 MiB of RAM, a quarter of a MiB of it stack.
_STACK = 256 << 10
ARENA = range(RAM_SIZE - (2 << 20), RAM_SIZE - _STACK)
STACK = range(ARENA.stop, RAM_SIZE)

LOADED_IMAGE = "5b1b31a1-9562-11d2-8e3f-00a0c969723b"
HOB_LIST = "7739f24c-93d7-11d4-9a3a-0090273fc14d"

_HEADER = struct.Struct("<QIIII")
_SYSTEM_SIGNATURE, _BOOT_SIGNATURE, _RUNTIME_SIGNATURE = (
    int.from_bytes(text, "little") for text in (b"IBI SYST", b"BOOTSERV", b"RUNTSERV")
)
_SYSTEM_SIZE = 0x78
_RUNTIME_AT, _BOOT_AT, _COUNT_AT, _TABLES_AT = 0x58, 0x60, 0x68, 0x70
_LOADED_SIZE = 0x60
#: The LPC bridge, and what OVMF's early phases write to it: base of the power management ports, and that they are on.
_LPC, _PM_BASE = 0x1F << 3, ((0x40, 0x601), (0x44, 0x80))
_END_OF_HOBS = struct.pack("<HHI", 0xFFFF, 8, 0)
#: Units of 100 ns that pass while a processor waits at HLT for an interrupt: a tick.
_TICK = 100_000


class Judge(Protocol):
    """Who is told that a binary failed; `asked` is what it was asked to do."""

    def fail(self, culprit: str, how: str) -> NoReturn:
        """Fail on behalf of a binary."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen of the firmware: its era, and PCD values by token."""

    platform: Platform
    pcd: tuple[tuple[int, int], ...] = ()


class Firmware:
    """The firmware of one machine, over its core and guest memory; `judge` hears of what binaries do wrong."""

    def __init__(self, core: Core, guest: Guest, options: Options, judge: Judge) -> None:
        self.core = core
        self.guest = guest
        self.recorder = core._recorder
        self.where = Whereabouts()
        #: Protocols that were looked for and not found, in that order.
        self.missing: dict[str, None] = {}
        self._judge = judge
        self._platform = options.platform
        tables = guest.mmu.tables
        self._marks = {CBIT_POSITION: tables.cbit_position, CBIT_MASK: 1 << tables.cbit_position}
        self.ports = Ports(options.platform.ports, self._now)
        self.processor = Processor(guest.mmu, self._heard)
        self.processor.on_cpuid(self._cpuid)
        self.processor.on_ports(self.ports.read, self.ports.write)
        self.memory = Memory(guest.mmu, ARENA)
        self.calls = Calls(self.processor, self.memory, STACK, self)
        self.handles = Handles(lambda: self.memory.allocate(16), self._signal)
        self._build(options)

    # Tables

    def _build(self, options: Options) -> None:
        self.system_table = self.memory.allocate(_SYSTEM_SIZE)
        self.configuration = ConfigurationTables(self.memory, self.system_table + _COUNT_AT)
        ground = (
            self.core,
            self.guest,
            self.recorder,
            self.calls,
            self.memory,
            self.handles,
            self.configuration,
            self.broken_here,
            self._missed,
        )
        boot = self._header_table(_BOOT_SIGNATURE, BOOT_SERVICES, BootServices(*ground))
        runtime = self._header_table(_RUNTIME_SIGNATURE, RUNTIME_SERVICES, RuntimeServices(*ground))
        self.memory.put(self.system_table + _RUNTIME_AT, runtime)
        self.memory.put(self.system_table + _BOOT_AT, boot)
        self.memory.put(self.system_table + _TABLES_AT, self.configuration.address)
        vendor = self.memory.allocate(32)
        self.memory.write(vendor, "EDK II\0".encode("utf-16-le"))
        self.memory.put(self.system_table + 0x18, vendor)
        self._seal(self.system_table, _SYSTEM_SIGNATURE, _SYSTEM_SIZE)
        content = options.platform.hobs + _END_OF_HOBS
        hobs = self.memory.allocate(len(content))
        self.memory.write(hobs, content)
        self.configuration.put(HOB_LIST, hobs)
        values = {width: tuple(map(self._meant, row)) for width, row in options.platform.pcd.items()}
        self.install(PCD, Pcds(values, dict(options.pcd)))

    def _header_table(self, signature: int, members: tuple[Signature | Datum, ...], services: object) -> int:
        table = self.memory.allocate(_HEADER.size + 8 * len(members))
        self._fill(table + _HEADER.size, members, services)
        self._seal(table, signature, _HEADER.size + 8 * len(members))
        return table

    def _seal(self, table: int, signature: int, size: int) -> None:
        """Write a table's header, with its checksum."""
        fields = (signature, self._platform.revision, size)
        self.memory.write(table, _HEADER.pack(*fields, 0, 0))
        self.memory.write(table, _HEADER.pack(*fields, binascii.crc32(self.memory.read(table, size)), 0))

    def _fill(self, at: int, members: tuple[Signature | Datum, ...], services: object) -> None:
        for number, member in enumerate(members):
            value = 0
            if isinstance(member, Signature):
                handler = getattr(services, member.method, None) or getattr(services, "unsupported")  # noqa: B009
                value = self.calls.offer(member, handler)
            self.memory.put(at + 8 * number, value)

    def install(self, protocol: ProtocolTable, services: object, handle: int = 0) -> int:
        """Offer a protocol that Python serves, on a handle (0: a new one); returns the handle."""
        interface = self.memory.allocate(8 * len(protocol.members))
        self._fill(interface, protocol.members, services)
        made = self.handles.install(handle, protocol.guid, interface)
        if made is None:
            raise ValueError(f"{protocol.name} is on that handle already")
        return made

    def open_bus(self, bench: Bench) -> None:
        """Put configuration space of a bench's bus 0 where the platform has it, and switch the PM timer on."""
        for offset, value in _PM_BASE:
            bench.config_write(_LPC, offset, 4, value)
        self.processor.window(
            self._platform.ecam,
            1 << 20,
            lambda at, width: bench.config_read(at >> 12, at & 0xFFF, min(width, 4)),
            lambda at, width, value: bench.config_write(at >> 12, at & 0xFFF, min(width, 4), value),
        )

    # Images

    def load(self, image: Image, actor: str) -> Loaded:
        """Lay an image into memory; what its code does is done by `actor`."""
        with self.recorder.acting("core"):
            status, base = self.core.map.allocate(
                AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_CODE, pages_for(image.size), 0
            )
        if status.is_error:
            self._judge.fail(actor, f"needs {image.size} bytes for its image, and there is no such room")
        memory = image.at(base)
        self.memory.write(base, memory)
        loaded = Loaded(image, int(base), actor, self._loaded_image(image, int(base)))
        for page in range(pages_for(image.size)):
            self.processor.permissions[base // PAGE_SIZE + page] = _permission(image, page)
        for section in image.sections:
            if section.executable:
                self.processor.answer_instructions(base + section.start, memory[section.start : section.end])
        self.where.add(loaded)
        return loaded

    def _loaded_image(self, image: Image, base: int) -> int:
        interface = self.memory.allocate(_LOADED_SIZE)
        for offset, value in ((0, 0x1000), (0x10, self.system_table), (0x40, base), (0x48, image.size)):
            self.memory.put(interface + offset, value)
        for offset, kind in ((0x50, MemoryType.BOOT_SERVICES_CODE), (0x54, MemoryType.BOOT_SERVICES_DATA)):
            self.memory.put(interface + offset, kind, 4)
        return self.handles.install(0, LOADED_IMAGE, interface) or 0

    def start(self, loaded: Loaded) -> int:
        """Run an image's entry point; returns its status."""
        try:
            return self.calls.invoke(loaded.base + loaded.image.entry, loaded.handle, self.system_table)
        except Exited as exited:
            return exited.status

    def find(self, protocol: ProtocolTable) -> int | None:
        """Return the first interface of a protocol."""
        return self.handles.first(protocol.guid)

    def use(self, protocol: ProtocolTable, interface: int, member: str, *values: int) -> tuple[int, ...]:
        """Call a function of a binary's protocol; returns what it returns, and what comes back."""
        address = self.memory.number(interface + protocol.offset(member))
        return self.calls.call(address, protocol.signature(member), interface, *values)

    # What the processor and the layer of calls ask

    @contextmanager
    def acting_at(self, rip: int) -> Iterator[None]:
        """Let whoever's code lies at `rip` be who acts."""
        loaded = self.where.at(rip)
        if loaded is None:
            yield
            return
        with self.recorder.acting(loaded.actor):
            yield

    def broken(self, rip: int, how: str) -> NoReturn:
        """Fail on behalf of the code at `rip`."""
        loaded = self.where.at(rip)
        culprit = loaded.actor if loaded else self.recorder.actor
        said = self.ports.said()
        self._judge.fail(culprit, self.where.told(rip, how, self.memory) + (f"; it said {said!r}" if said else ""))

    def broken_here(self, how: str) -> NoReturn:
        """Fail on behalf of whoever called the service that is served now."""
        self.broken(self.memory.number(self.processor.read("rsp")), how)

    def answer(self, stop: Stop) -> int:
        """Answer an instruction; returns where to go on."""
        match stop.instruction:
            case "RDMSR":
                value = self._platform.msrs.get(self.processor.read("rcx") & 0xFFFF_FFFF)
                if value is None:
                    self.broken(stop.rip, f"reads MSR {self.processor.read('rcx'):#x}, which the platform has not")
                self._split(value)
                return stop.rip + LENGTHS[stop.instruction]
            case "WRMSR":
                self.broken(stop.rip, f"writes MSR {self.processor.read('rcx'):#x}, which the platform has not")
            case "RDTSC" | "RDTSCP":
                self._split(self._now() * 100)
                return stop.rip + LENGTHS[stop.instruction]
            case _:
                if not self.processor.read("rflags") & INTERRUPTS_ON:
                    self.broken(stop.rip - 1, "halts the processor with interrupts off")
                self.core.stall(_TICK // 10)
                return stop.rip
        return None

    def _split(self, value: int) -> None:
        self.processor.write("rax", value & 0xFFFF_FFFF)
        self.processor.write("rdx", value >> 32)

    def _now(self) -> int:
        return self.core.events.now

    def _cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        del subleaf
        a, b, c, d = (self._meant(value) for value in self._platform.cpuid.get(leaf, (0, 0, 0, 0)))
        return a, b, c, d

    def _meant(self, value: int) -> int:
        return self._marks.get(value, value)

    def _missed(self, guid: str) -> None:
        self.missing.setdefault(guid)

    def _signal(self, event: int) -> None:
        self.core.signal_event(EventHandle(event))

    def _heard(self, acts: tuple[Change | Write, ...]) -> None:
        """Put what the processor did into the trace, as done by whoever runs."""
        record = self.recorder.record
        for act in acts:
            if isinstance(act, Change):
                record(CBitChanged, gva=act.gva, gpa=act.gpa, pages=act.pages, cbit=act.cbit)
            else:
                fields: dict[str, Any] = {"gpa": act.gpa, "length": act.length, "at": self.where.name(act.rip)}
                record(InstructionAccess, gva=Gva(act.gpa), write=True, cbit=CBit.CLEAR, **fields)


def _permission(image: Image, page: int) -> Permission:
    if not image.keeps_protections:
        return Permission.WRITE | Permission.EXECUTE
    section = image.section_of(page * PAGE_SIZE)
    found = Permission.READ
    if section is not None:
        found |= Permission.WRITE if section.writable else Permission.READ
        found |= Permission.EXECUTE if section.executable else Permission.READ
    return found


def status_of(value: int) -> EfiStatus | None:
    """Return a status by its number, or None if UEFI's list here has it not."""
    return EfiStatus(value) if value in EfiStatus.__members__.values() else None
